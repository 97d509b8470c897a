/** The values of PKCS #11 v2.40 (OASIS, pkcs11t.h) that are used here. */

export const ckf = {
  serialSession: 0x4,
  rwSession: 0x2,
  osLockingOk: 0x2,
  tokenInitialized: 0x400,
  userPinInitialized: 0x8,
} as const;

export const cku = { so: 0, user: 1 } as const;

export const cko = { publicKey: 2, privateKey: 3 } as const;

export const ckk = { rsa: 0, ec: 3 } as const;

export const cka = {
  class: 0x0,
  token: 0x1,
  private: 0x2,
  label: 0x3,
  keyType: 0x100,
  id: 0x102,
  sensitive: 0x103,
  encrypt: 0x104,
  decrypt: 0x105,
  wrap: 0x106,
  unwrap: 0x107,
  sign: 0x108,
  verify: 0x10a,
  derive: 0x10c,
  modulus: 0x120,
  modulusBits: 0x121,
  publicExponent: 0x122,
  extractable: 0x162,
  local: 0x163,
  neverExtractable: 0x164,
  alwaysSensitive: 0x165,
  ecParams: 0x180,
  ecPoint: 0x181,
} as const;

export const ckm = { rsaPkcsKeyPairGen: 0x0, rsaPkcs: 0x1, ecKeyPairGen: 0x1040, ecdsa: 0x1041 } as const;
