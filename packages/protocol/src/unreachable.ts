/** The end of a switch that the compiler has found to be complete. It does nothing. */
export const unreachable = (value: never): never => value;
