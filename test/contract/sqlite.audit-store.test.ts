import { openHarness } from '../support/sqlite-harness.ts';
import { auditStoreSuite } from './audit-store-suite.ts';

auditStoreSuite('SQLite in memory', () => openHarness('memory'), false);
auditStoreSuite('SQLite in a file', () => openHarness('file'), true);
