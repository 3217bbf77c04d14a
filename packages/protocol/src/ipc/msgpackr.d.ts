/** Types for the two functions we use of msgpackr's build without code generation, which has none. */
declare module 'msgpackr/index-no-eval' {
  export class Packr {
    constructor(options: {
      readonly useRecords: false;
      readonly mapsAsObjects: true;
      readonly int64AsType: 'bigint';
    });
    pack(value: unknown): Uint8Array;
    unpack(octets: Uint8Array): unknown;
  }
}
