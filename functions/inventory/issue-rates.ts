import { defaultPacingRates, defaultShareForOthers } from '../../shared/adapters/acm-pca/pacing.ts';
import type { Stack } from '../../shared/adapters/stack/stack.ts';
import { isAwsAcmPcaEndpoint } from '../../shared/custody/stage.ts';
import type { IssueRate } from '../../shared/issuance/estimate-rotation.ts';
import { quotaOwnerOf } from '../signer/backends.ts';

/** What one process was measured to issue a second from an HSM (docs/performance.md, base line). */
const heldKeyPerSecond = 480;
type Ports = Pick<Stack, 'authorities' | 'environment' | 'permits'>;

/** The rate of each CA's backend now: for ACM PCA the budget that the signers share, which throttles may have lowered. */
export function createIssueRates({ authorities, environment, permits }: Ports): (caId: string) => Promise<IssueRate> {
  return async (caId) => {
    const issuer = await authorities.newest(caId);
    if (issuer === undefined || issuer.backend !== 'acm-pca')
      return { perSecond: heldKeyPerSecond, basis: 'measured of one process, docs/performance.md' };
    const stored = await permits.read(`${quotaOwnerOf(issuer.backendRef)}/IssueCertificate`);
    if (stored !== undefined) return { perSecond: stored.budget.perSecond, basis: 'the budget its signers share now' };
    const { endpoint, quotas } = environment.acmPca ?? {};
    const isAws = endpoint === undefined || isAwsAcmPcaEndpoint(endpoint);
    const share = quotas?.shareForOthers ?? (isAws ? defaultShareForOthers : 0);
    const perSecond = quotas?.issuePerSecond ?? defaultPacingRates.IssueCertificate.perSecond;
    return { perSecond: perSecond * (1 - share), basis: 'the quota of IssueCertificate, less what is left to others' };
  };
}
