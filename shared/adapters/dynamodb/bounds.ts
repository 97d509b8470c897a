/** What one call may ask for, and what one item may hold: DynamoDB takes 400 KB an item. */

/** Issuances one call may ask for, and rows one may be answered. */
export const readCountMax = 10_000;
/** Names of one certificate at most (the interface's 100), with room for a caller's own bound. */
export const namesCountMax = 1_000;
/** Names of one issuance: each is an action of the transaction that approves it, with two more. */
export const issuanceNamesMax = 100;
/** UTF-8 bytes of all names of one issuance. They are rewritten by every move. */
export const issuanceNamesBytesMax = 64 * 1024;
/** The interface's bound on a certification request. */
export const csrBytesMax = 32 * 1024;
/** UTF-8 bytes of the scope of a credential, as JSON. */
export const scopeBytesMax = 128 * 1024;
/** Serials or tickets asked for at once. */
export const askedCountMax = 1_000;
