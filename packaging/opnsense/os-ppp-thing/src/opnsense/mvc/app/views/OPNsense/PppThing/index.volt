{# The settings, and the button that applies them. #}
<script>
    $(document).ready(function () {
        mapDataToFormUI({'frm_settings': '/api/pppthing/settings/get'}).done(function () {
            $('.selectpicker').selectpicker('refresh');
            updateServiceControlUI('pppthing');
        });
        $('#apply').SimpleActionButton({
            onPreAction: function () {
                const saved = $.Deferred();
                saveFormToEndpoint('/api/pppthing/settings/set', 'frm_settings', saved.resolve, true, saved.reject);
                return saved;
            },
            onAction: function () {
                updateServiceControlUI('pppthing');
            }
        });
    });
</script>

<div class="content-box">
    {{ partial('layout_partials/base_form', ['fields': settings, 'id': 'frm_settings']) }}
    <div class="col-md-12">
        <button class="btn btn-primary" id="apply" type="button"
                data-endpoint="/api/pppthing/service/reconfigure"
                data-label="{{ lang._('Apply') }}"></button>
    </div>
</div>
