<?php

/*
 * Start, stop and restart, and what the running supervisor tells.
 */

namespace OPNsense\PppThing\Api;

use OPNsense\Base\ApiMutableServiceControllerBase;
use OPNsense\Core\Backend;

class ServiceController extends ApiMutableServiceControllerBase
{
    protected static $internalServiceClass = '\OPNsense\PppThing\PppThing';
    protected static $internalServiceTemplate = 'OPNsense/PppThing';
    protected static $internalServiceEnabled = 'general.enabled';
    protected static $internalServiceName = 'pppthing';

    /* /v1/status of docs/api.md; no sessions if the supervisor does not answer */
    public function showAction()
    {
        $status = json_decode((new Backend())->configdRun('pppthing show'), true);
        return is_array($status) ? $status : ['sessions' => []];
    }
}
