{# The sessions as this router sees them; read again every two seconds. #}
<script>
    $(document).ready(function () {
        const cell = (text) => $('<td>').text(text);
        const look = function () {
            ajaxGet('/api/pppthing/service/show', {}, function (status) {
                const rows = (status.sessions || []).map(function (each) {
                    return $('<tr>').append(
                        cell(each.name), cell(each.role), cell(each.holder), cell(each.state),
                        cell(each.session === null ? '' : each.session.ourAddress),
                        cell(each.partner.inSync ? '{{ lang._('in sync') }}' : '{{ lang._('not in sync') }}')
                    );
                });
                $('#sessions').empty().append(rows);
                $('#silent').toggle(rows.length === 0);
                setTimeout(look, 2000);
            });
        };
        updateServiceControlUI('pppthing');
        look();
    });
</script>

<div class="content-box">
    <table class="table table-striped">
        <thead>
            <tr>
                <th>{{ lang._('Session') }}</th>
                <th>{{ lang._('Role') }}</th>
                <th>{{ lang._('Held by') }}</th>
                <th>{{ lang._('State') }}</th>
                <th>{{ lang._('Address') }}</th>
                <th>{{ lang._('Partner') }}</th>
            </tr>
        </thead>
        <tbody id="sessions"></tbody>
    </table>
    <p id="silent" class="col-md-12">{{ lang._('The supervisor does not answer.') }}</p>
</div>
