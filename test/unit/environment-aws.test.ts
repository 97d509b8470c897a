import { describe, expect, it } from 'vitest';
import { EnvironmentError, parseEnvironment } from '../../shared/adapters/stack/environment.ts';
import { type AwsEnvironment, emulatorFaults } from '../../shared/adapters/stack/environment-aws.ts';

const queue = (name: string, account = '111122223333') => `https://sqs.us-east-1.amazonaws.com/${account}/${name}`;
const whole = {
  SEALWRIGHT_STACK: 'aws',

  SEALWRIGHT_BACKENDS: 'acm-pca',
  SEALWRIGHT_TABLE: 'sealwright-prod',
  SEALWRIGHT_AUDIT_BUCKET: 'sealwright-audit',
  SEALWRIGHT_QUEUE_ENROLMENT: queue('a'),
  SEALWRIGHT_QUEUE_ENROLMENT_DEAD: queue('b'),
  SEALWRIGHT_QUEUE_SIGNING_ACM_PCA: queue('c'),
  SEALWRIGHT_QUEUE_SIGNING_ACM_PCA_DEAD: queue('d'),
  AWS_REGION: 'us-east-1',
};

function faultsOf(variables: Readonly<Record<string, string | undefined>>): readonly string[] {
  try {
    parseEnvironment(variables);
  } catch (error) {
    if (error instanceof EnvironmentError) return error.faults;
    throw error;
  }
  return [];
}

describe('the environment of a Lambda', () => {
  it('is read whole', () => {
    const environment = parseEnvironment(whole) as AwsEnvironment;
    expect(environment.queues.get('enrolment')).toEqual({ url: queue('a'), deadLetterUrl: queue('b') });
    expect(environment.acmPca).toMatchObject({ endpoint: undefined, region: 'us-east-1' });
    expect(environment.emulatorCredentials).toBeUndefined();
  });

  it('is refused with everything that is wrong at once (environment-refused-whole)', () => {
    const broken = {
      ...whole,
      SEALWRIGHT_TABLE: 'no table',
      SEALWRIGHT_QUEUE_ENROLMENT: undefined,
      SEALWRIGHT_QUEUE_SIGNING_ACM_PCA: 'signing',
      SEALWRIGHT_PKCS11_MODULE: 'library.so',
      AWS_REGION: 'here',
      SEALWRIGHT_LOG_LEVEL: 'LOUD',
    };
    const names = faultsOf(broken).map((fault) => fault.split(' ')[0]);
    expect(names.sort()).toEqual([
      'AWS_REGION',
      'SEALWRIGHT_LOG_LEVEL',
      'SEALWRIGHT_PKCS11_MODULE',
      'SEALWRIGHT_PKCS11_PIN_SECRET',
      'SEALWRIGHT_QUEUE_ENROLMENT',
      'SEALWRIGHT_QUEUE_SIGNING_ACM_PCA',
      'SEALWRIGHT_TABLE',
    ]);
  });

  it('outside dev has nothing of an emulator: endpoints, whatever names them, and accounts (emulators-in-dev-only)', () => {
    const emulated = parseEnvironment({
      ...whole,
      AWS_ENDPOINT_URL: 'http://127.0.0.1:4566',
      SEALWRIGHT_ACM_PCA_ENDPOINT: 'http://127.0.0.1:4567',
      SEALWRIGHT_QUEUE_ENROLMENT: queue('a', '000000000000'),
    }) as AwsEnvironment;
    expect(emulatorFaults(emulated, 'dev')).toEqual([]);
    expect(emulatorFaults(emulated, 'prod')).toHaveLength(5);
    expect(emulatorFaults(parseEnvironment(whole) as AwsEnvironment, 'prod')).toEqual([]);
  });
});
