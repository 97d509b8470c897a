/** An instant: milliseconds since 1970-01-01T00:00:00Z. In a certificate's validity always a multiple of 1,000. */
export type EpochMs = number;
