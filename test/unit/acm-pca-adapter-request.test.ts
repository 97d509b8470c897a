import { describe, expect, it } from 'vitest';
import {
  issueRequest,
  RequestTooLargeError,
  type TemplateIntent,
} from '../../shared/adapters/acm-pca/issue-request.ts';
import { type GeneralName, parseGeneralNames } from '../../shared/pki/names.ts';
import { newTemplateIssuance } from '../support/template-issuance.ts';

const ref = 'arn:aws:acm-pca:eu-central-1:111122223333:certificate-authority/0f4b6f62-4f8a-4b5e-9a3b-6a2d7c1f0e11';
const prepared = newTemplateIssuance();
if (prepared.intent.kind !== 'template') throw new Error('not a template intent');
const intent = prepared.intent;

function extensionsFor(change: Partial<TemplateIntent>) {
  return issueRequest(ref, prepared.csrDer, { ...intent, ...change }).ApiPassthrough!.Extensions!;
}

function customSan(extensions: ReturnType<typeof extensionsFor>) {
  const san = extensions.CustomExtensions?.find(({ ObjectIdentifier }) => ObjectIdentifier === '2.5.29.17');
  return san && { critical: san.Critical, names: parseGeneralNames(Buffer.from(san.Value!, 'base64')) };
}

const dnsNames = (count: number): readonly GeneralName[] =>
  Array.from({ length: count }, (_, index) => ({ kind: 'dns', value: `n${index}.a.example` }));

describe('the request to IssueCertificate', () => {
  it('is the same whenever it is made of the same intent', () => {
    expect(issueRequest(ref, prepared.csrDer, intent)).toEqual(issueRequest(ref, prepared.csrDer, intent));
  });

  it('says names of each kind in the words of the API', () => {
    const names: readonly GeneralName[] = [
      { kind: 'dns', value: 'a.example' },
      { kind: 'uri', value: 'spiffe://a.example/b' },
      { kind: 'ip', value: '2001:db8::1' },
      { kind: 'email', value: 'a@a.example' },
    ];
    expect(extensionsFor({ names }).SubjectAlternativeNames).toEqual([
      { DnsName: 'a.example' },
      { UniformResourceIdentifier: 'spiffe://a.example/b' },
      { IpAddress: '2001:db8::1' },
      { Rfc822Name: 'a@a.example' },
    ]);
  });

  it.each([
    ['150 names', dnsNames(150), false],
    ['151 names', dnsNames(151), true],
    ['a URI of 253 characters', [{ kind: 'uri' as const, value: `spiffe://a.example/${'b'.repeat(234)}` }], false],
    ['a URI of 254 characters', [{ kind: 'uri' as const, value: `spiffe://a.example/${'b'.repeat(235)}` }], true],
  ])('says %s as an extension only where the API has no room for them', (_, names, asExtension) => {
    const extensions = extensionsFor({ names });
    expect(extensions.SubjectAlternativeNames === undefined).toBe(asExtension);
    expect(customSan(extensions)).toEqual(asExtension ? { critical: false, names } : undefined);
  });

  it('gives subject and SAN even where they are empty or critical: what is left out would come from the CSR', () => {
    const request = issueRequest(
      ref,
      prepared.csrDer,
      (({ commonName: _, ...rest }) => ({ ...rest, sanCritical: true }))(intent),
    );
    expect(request.ApiPassthrough!.Subject).toEqual({});
    expect(customSan(request.ApiPassthrough!.Extensions!)).toEqual({ critical: true, names: intent.names });
  });

  it('names other purposes by their object identifier', () => {
    const extendedKeyUsage = ['1.3.6.1.5.5.7.3.2', '1.3.6.1.5.5.7.3.17'];
    expect(extensionsFor({ extendedKeyUsage }).ExtendedKeyUsage).toEqual([
      { ExtendedKeyUsageType: 'CLIENT_AUTH' },
      { ExtendedKeyUsageObjectIdentifier: '1.3.6.1.5.5.7.3.17' },
    ]);
  });

  it('is refused without a call when the service model has no room for it', () => {
    expect(() => extensionsFor({ names: dnsNames(400) })).toThrow(RequestTooLargeError);
    expect(() => issueRequest(ref, new Uint8Array(24_200), intent)).toThrow(RequestTooLargeError);
    expect(issueRequest(ref, new Uint8Array(24_000), intent).Csr!.length).toBeLessThanOrEqual(32_768);
  });
});
