/** The sample fleet as `npm start` uses it. */
export { CsrDirectoryError, type CsrDirectoryOptions, runCsrDirectory } from './csr-directory.ts';
export { devicesMax, type FleetOptions, type FleetProgress, runFleet } from './fleet.ts';
export {
  type FleetProfile,
  type FleetResult,
  fleetProfilesOf,
  fleetReport,
  fleetSucceeded,
  type ReportedAuthority,
} from './fleet-result.ts';
export { fleetProgressBar, renderFleetSummary } from './summary.ts';
