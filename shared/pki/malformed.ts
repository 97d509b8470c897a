/**
 * Why bytes are not what they should be. The codes are stable and part of the HTTP answer; the detail is fixed prose
 * for people and never carries input bytes.
 */
export type MalformedCode =
  | 'body-empty'
  | 'not-base64'
  | 'not-a-certification-request'
  | 'more-than-one-request'
  | 'der-malformed'
  | 'der-not-canonical'
  | 'der-truncated'
  | 'der-trailing-bytes'
  | 'der-too-deep'
  | 'der-too-long'
  | 'der-too-many-elements'
  | 'public-key-invalid'
  | 'possession-not-proven'
  | 'name-malformed';

/**
 * The one error parsers of shared/pki throw for bad input; anything else they throw is a defect of ours.
 * `offset` is in bytes from the start of the DER (or PEM) that was handed to the parser which found the fault.
 */
export class MalformedError extends Error {
  readonly code: MalformedCode;
  readonly offset: number | undefined;

  constructor(code: MalformedCode, detail: string, offset?: number) {
    super(offset === undefined ? detail : `${detail} (at byte ${offset})`);
    this.name = 'MalformedError';
    this.code = code;
    this.offset = offset;
  }
}
