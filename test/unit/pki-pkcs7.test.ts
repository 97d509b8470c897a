import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { openDer } from '../../shared/pki/der/reader.ts';
import { encodePem } from '../../shared/pki/pem.ts';
import { certsOnlyCountMax, encodeCertsOnly } from '../../shared/pki/pkcs7.ts';
import { certificateDerOf, leafCa, tlsLeaf } from '../support/make-certificate.ts';
import { X509Certificates } from '../support/x509-oracle.ts';

const leafDer = certificateDerOf(tlsLeaf);
const chain = [leafDer, leafCa.certificate.der];
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('certs-only message', () => {
  it('is what RFC 5652 §5.1 writes for certificates without a signer', () => {
    const header = hex(encodeCertsOnly([Uint8Array.of(0x30, 0)]));
    expect(header).toBe(
      '302706092a864886f70d010702a01a3018020101' + '3100' + '300b06092a864886f70d010701' + 'a0023000' + '3100',
    );
  });

  it('is strict DER whatever the order of the certificates', () => {
    expect(() => openDer(encodeCertsOnly(chain))).not.toThrow();
    expect(hex(encodeCertsOnly([...chain].reverse()))).toBe(hex(encodeCertsOnly(chain)));
  });

  it('is read back by an independent library', () => {
    const certificates = new X509Certificates();
    certificates.import(Buffer.from(encodeCertsOnly(chain)));
    expect(certificates.map(({ rawData }) => hex(new Uint8Array(rawData))).sort()).toEqual(chain.map(hex).sort());
  });

  // Not every machine that runs the tests has the openssl command; the library above is always there.
  it.skipIf(spawnSync('openssl', ['version']).status !== 0)('is read by openssl pkcs7', () => {
    const input = encodePem('PKCS7', encodeCertsOnly(chain));
    const { status, stdout } = spawnSync('openssl', ['pkcs7', '-print_certs'], { input, encoding: 'utf8' });
    expect(status).toBe(0);
    expect(stdout.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
  });

  it('refuses none and too many', () => {
    expect(() => encodeCertsOnly([])).toThrow(RangeError);
    expect(() => encodeCertsOnly(new Array(certsOnlyCountMax + 1).fill(leafDer))).toThrow(RangeError);
  });
});
