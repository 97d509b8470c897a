import { openHarness } from '../support/sqlite-harness.ts';
import { revocationSuite } from './revocation-suite.ts';

revocationSuite('SQLite in memory', () => openHarness('memory'), false);
revocationSuite('SQLite in a file', () => openHarness('file'), true);
