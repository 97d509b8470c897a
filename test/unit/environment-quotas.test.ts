import { expect, it } from 'vitest';
import { type EnvironmentError, parseEnvironment } from '../../shared/adapters/stack/environment.ts';

const sound = {
  SEALWRIGHT_STACK: 'embedded',
  SEALWRIGHT_BACKENDS: 'acm-pca',
  SEALWRIGHT_HIERARCHY: 'hierarchy.yaml',
  SEALWRIGHT_STATE: 'state',
  SEALWRIGHT_ACM_PCA_ENDPOINT: 'http://127.0.0.1:1',
};

it('takes the quotas of an account and the share for others from the environment; without them the defaults stand', () => {
  expect(parseEnvironment(sound).acmPca?.quotas).toEqual({});
  const more = {
    SEALWRIGHT_ACM_PCA_ISSUE_PER_SECOND: '200',
    SEALWRIGHT_ACM_PCA_GET_PER_SECOND: '600',
    SEALWRIGHT_ACM_PCA_SHARE_FOR_OTHERS: '0.25',
  };
  expect(parseEnvironment({ ...sound, ...more }).acmPca?.quotas).toEqual({
    issuePerSecond: 200,
    getPerSecond: 600,
    shareForOthers: 0.25,
  });
});

it('refuses quotas that are none, all at once', () => {
  const wrong = {
    SEALWRIGHT_ACM_PCA_ISSUE_PER_SECOND: '0',
    SEALWRIGHT_ACM_PCA_GET_PER_SECOND: '7.5',
    SEALWRIGHT_ACM_PCA_SHARE_FOR_OTHERS: '1',
  };
  try {
    parseEnvironment({ ...sound, ...wrong });
    expect.unreachable();
  } catch (error) {
    expect((error as EnvironmentError).faults.map((fault) => fault.split(' ')[0])).toEqual(Object.keys(wrong));
  }
});
