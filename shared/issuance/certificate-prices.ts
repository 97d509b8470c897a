import type { CertificatePrices } from '../hierarchy/hierarchy.ts';
import { costUsd, type PriceList, pricesAsOf } from '../inventory/prices.ts';

/** What ACM PCA takes for certificates, by a dated price list. */
export function certificatePrices(list: PriceList): CertificatePrices {
  const ids = {
    GENERAL_PURPOSE: 'acm-pca-general-purpose-certificate',
    SHORT_LIVED_CERTIFICATE: 'acm-pca-short-lived-certificate',
  } as const;
  return {
    certificatesUsd: (mode, certificates) => costUsd(list, ids[mode], certificates),
    asOf: pricesAsOf(list, Object.values(ids)),
  };
}
