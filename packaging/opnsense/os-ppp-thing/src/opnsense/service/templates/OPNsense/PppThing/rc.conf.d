{% if helpers.exists('OPNsense.PppThing.general.enabled') and OPNsense.PppThing.general.enabled == '1' %}
ppp_thing_enable="YES"
{% else %}
ppp_thing_enable="NO"
{% endif %}
