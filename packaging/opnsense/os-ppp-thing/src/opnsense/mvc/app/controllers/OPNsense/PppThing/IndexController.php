<?php

/*
 * The two pages.
 */

namespace OPNsense\PppThing;

class IndexController extends \OPNsense\Base\IndexController
{
    public function indexAction()
    {
        $this->view->settings = $this->getForm('settings');
        $this->view->pick('OPNsense/PppThing/index');
    }

    public function statusAction()
    {
        $this->view->pick('OPNsense/PppThing/status');
    }
}
