import { describe, expect, it } from 'vitest';
import { evaluateStage, isAwsAcmPcaEndpoint, type StageFacts } from '../../shared/custody/custody.ts';

const sound: StageFacts = {
  stage: 'prod',
  backends: ['acm-pca', 'pkcs11'],
  acmPcaEndpoint: 'https://acm-pca.eu-central-1.amazonaws.com',
  accountIds: ['406210988231'],
  module: { manufacturer: 'Marvell Semiconductors, Inc.', model: 'CloudHSM' },
};

function codesOf(facts: Partial<StageFacts>): string[] {
  return evaluateStage({ ...sound, ...facts }).map((finding) => finding.code);
}

describe('the stage of a process', () => {
  it('prod starts with AWS, a real module and a real account', () => {
    expect(codesOf({})).toEqual([]);
    expect(evaluateStage({ stage: 'prod', backends: ['acm-pca'] })).toEqual([]);
  });

  it.each([
    ['the software backend', { backends: ['software', 'acm-pca'] }, 'software-backend-outside-dev'],
    [
      'SoftHSM',
      { module: { manufacturer: 'SoftHSM project                 ', model: 'SoftHSM v2      ' } },
      'softhsm-outside-dev',
    ],
    ['SoftHSM under another maker', { module: { manufacturer: 'Acme', model: 'softhsm' } }, 'softhsm-outside-dev'],
    ['a local endpoint', { acmPcaEndpoint: 'http://127.0.0.1:4590' }, 'endpoint-not-aws'],
    ['the account of LocalStack', { accountIds: ['406210988231', '000000000000'] }, 'emulator-account'],
    ['the account of moto', { accountIds: ['123456789012'] }, 'emulator-account'],
    ['no account number', { accountIds: ['test'] }, 'emulator-account'],
  ] as const)('prod refuses %s', (_, facts, code) => {
    expect(codesOf(facts)).toEqual([code]);
  });

  it('prod is told all refusals at once, each of which stops', () => {
    const facts: StageFacts = {
      stage: 'prod',
      backends: ['software'],
      acmPcaEndpoint: 'http://localhost:4566',
      accountIds: ['000000000000', '000000000000'],
      module: { manufacturer: 'SoftHSM project', model: 'SoftHSM v2' },
    };
    const findings = evaluateStage(facts);
    expect(findings.map((finding) => finding.code)).toEqual([
      'software-backend-outside-dev',
      'softhsm-outside-dev',
      'endpoint-not-aws',
      'emulator-account',
    ]);
    expect(findings.every((finding) => finding.severity === 'stop')).toBe(true);
    expect(evaluateStage({ ...facts, stage: 'dev' })).toEqual([]);
  });
});

describe('an ACM PCA endpoint', () => {
  it.each([
    'https://acm-pca.us-east-1.amazonaws.com',
    'https://acm-pca.us-east-1.amazonaws.com/',
    'https://acm-pca.us-east-1.amazonaws.com:443/',
    'https://acm-pca-fips.us-east-1.amazonaws.com',
    'https://acm-pca.us-gov-west-1.amazonaws.com',
    'https://acm-pca.cn-north-1.amazonaws.com.cn',
    'https://acm-pca.eu-central-1.api.aws',
    'https://acm-pca-fips.ca-central-1.api.aws',
    'https://acm-pca.ap-southeast-2.amazonaws.com',
    'https://acm-pca.eusc-de-east-1.amazonaws.eu',
    'https://vpce-0123456789abcdef0-abcdefgh.acm-pca.eu-central-1.vpce.amazonaws.com',
  ])('of AWS is known: %s', (endpoint) => {
    expect(isAwsAcmPcaEndpoint(endpoint)).toBe(true);
  });

  it.each([
    'http://acm-pca.us-east-1.amazonaws.com',
    'https://acm-pca.us-east-1.amazonaws.com:8443',
    'https://acm-pca.us-east-1.amazonaws.com.evil.example',
    'https://acm-pca.us-east-1.amazonaws.com@evil.example',
    'https://user:pass@acm-pca.us-east-1.amazonaws.com',
    'https://evil.example/acm-pca.us-east-1.amazonaws.com',
    'https://evil.example#.acm-pca.us-east-1.amazonaws.com',
    'https://evil.example\\.acm-pca.us-east-1.amazonaws.com',
    'https://acm-pca.us-east-1.amazonaws.com/proxy',
    'https://acm-pca.us-east-1.amazonaws.com?x',
    'https://bucket.s3.us-east-1.amazonaws.com',
    'https://acm-pca.evil.s3.us-east-1.amazonaws.com',
    'https://acm-pca.localhost.localstack.cloud:4566',
    'https://acm-pca.us-east-1.amazonaws.co',
    'https://acm-pcaXus-east-1.amazonaws.com',
    'acm-pca.us-east-1.amazonaws.com',
    '',
  ])('of anybody else is known: %j', (endpoint) => {
    expect(isAwsAcmPcaEndpoint(endpoint)).toBe(false);
  });
});
