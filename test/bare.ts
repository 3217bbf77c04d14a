/**
 * Loaded into each test (`.taprc`): the programs that it starts run as users run them, without the tests' own loader and
 * without what this host lets Node.js say of certificates.
 */
delete process.env['NODE_OPTIONS'];
delete process.env['NODE_EXTRA_CA_CERTS'];
