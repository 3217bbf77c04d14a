/* The dashboard's widget: who holds each session, and with which address. */
export default class PppThing extends BaseTableWidget {
    getMarkup() {
        return $('<div>').append(this.createTable('pppthing-sessions', {
            headerPosition: 'top',
            headers: [this.translations.session, this.translations.holder, this.translations.address]
        }));
    }

    async onWidgetTick() {
        const { sessions = [] } = (await this.ajaxCall('/api/pppthing/service/show')) ?? {};
        if (!this.dataChanged('sessions', sessions)) {
            return;
        }
        const text = (value) => $('<span>').text(value).prop('outerHTML');
        const rows = sessions.map(({ name, holder, session }) =>
            [name, holder, session?.ourAddress ?? ''].map(text));
        this.updateTable('pppthing-sessions', rows.length > 0 ? rows : [[text(this.translations.silent), '', '']]);
    }
}
