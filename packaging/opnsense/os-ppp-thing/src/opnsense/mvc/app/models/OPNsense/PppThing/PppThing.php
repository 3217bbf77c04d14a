<?php

/*
 * The settings. What the fields may be is in PppThing.xml.
 */

namespace OPNsense\PppThing;

use OPNsense\Base\BaseModel;

class PppThing extends BaseModel
{
}
