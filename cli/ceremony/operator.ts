import type { KeyAttributes } from '../../shared/custody/key-description.ts';

/** Who answers the ceremony's questions: a person at a terminal, or a file of answers. Undefined: stop here. */
export interface Operator {
  /** Whether to go on with an act, after what will happen was shown. */
  goOn(act: string): Promise<boolean>;
  /** Who takes a role; `person` is who the script says it is. */
  person(role: string, person: string | undefined): Promise<string | undefined>;
  /** Whether a witness is here. */
  witnessIsHere(name: string, fingerprint: string): Promise<boolean>;
  /** Whether a key that an interrupted run set out to make, and that is there now, is to be taken for it. */
  takeFoundKey(spkiSha256: string, attributes: KeyAttributes): Promise<boolean>;
  /** Path of the certification request of a CA. */
  requestFile(authority: string): Promise<string | undefined>;
  /** Path of the certificate of the CA whose key is presented. */
  certificateFile(authority: string): Promise<string | undefined>;
  /** Whether the request that was shown is the right one. */
  acceptRequest(authority: string, sha256: string): Promise<boolean>;
  /**
   * Has a witness sign `statementFile`, so that `signatureFile` is there; false when the witness does not sign now.
   * `command` is what the witness types.
   */
  signature(request: SignatureRequest): Promise<boolean>;
  close(): void;
}

export interface SignatureRequest {
  readonly witness: string;
  readonly statementFile: string;
  readonly signatureFile: string;
  readonly command: string;
}
