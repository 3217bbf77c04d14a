<?php

/*
 * The settings, read and written.
 */

namespace OPNsense\PppThing\Api;

use OPNsense\Base\ApiMutableModelControllerBase;

class SettingsController extends ApiMutableModelControllerBase
{
    protected static $internalModelClass = '\OPNsense\PppThing\PppThing';
    protected static $internalModelName = 'pppthing';
}
