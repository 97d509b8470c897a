/** Every case, in the order in which they run. */
import type { ConformanceCase } from '../suite.ts';
import { authorityCases } from './authorities.ts';
import { configurationCases } from './configuration.ts';
import { issuanceCases } from './issuance.ts';
import { modelInputCases } from './model-inputs.ts';
import { protocolCases } from './protocol.ts';
import { closingCases, recordCases } from './records.ts';
import { templateCases } from './templates.ts';

/** The documented ones, and those that judge all answers. */
export const documentedCases: readonly ConformanceCase[] = [
  ...protocolCases,
  ...authorityCases,
  ...configurationCases,
  ...issuanceCases,
  ...templateCases,
  ...recordCases,
];

export const allCases: readonly ConformanceCase[] = [...modelInputCases, ...documentedCases, ...closingCases];
