/** Where a key is, as the registry keeps it: a PKCS #11 URI (RFC 7512) of token and object label. Holds no secret. */
export interface KeyReference {
  readonly tokenLabel: string;
  readonly keyLabel: string;
}

const labelBytesMax = 32;

/** Token labels have 32 bytes (CK_TOKEN_INFO), blank padded; key labels are kept as short for the sake of people. */
export function assertLabel(label: string): void {
  const bytes = Buffer.byteLength(label, 'utf8');
  if (bytes === 0 || bytes > labelBytesMax || label.trimEnd() !== label) {
    throw new RangeError(`a PKCS #11 label has 1 to ${labelBytesMax} bytes and no blank at its end`);
  }
}

/** `pkcs11:token=…;object=…;type=private` */
export function formatReference({ tokenLabel, keyLabel }: KeyReference): string {
  return `pkcs11:token=${encodeURIComponent(tokenLabel)};object=${encodeURIComponent(keyLabel)};type=private`;
}

/** Throws RangeError for what `formatReference` did not make. */
export function parseReference(reference: string): KeyReference {
  const match = /^pkcs11:token=([^;]+);object=([^;]+);type=private$/.exec(reference);
  if (match === null) throw new RangeError('not a reference to a key on a PKCS #11 token');
  return { tokenLabel: decodeURIComponent(match[1]!), keyLabel: decodeURIComponent(match[2]!) };
}
