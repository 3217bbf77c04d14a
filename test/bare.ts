/** Loaded into each test (`.taprc`): the programs that it starts run as users run them, without the tests' own loader. */
delete process.env['NODE_OPTIONS'];
