import { openHarness } from '../support/sqlite-harness.ts';
import { permitSuite } from './permit-suite.ts';

permitSuite('SQLite in memory', () => openHarness('memory'));
permitSuite('SQLite in a file', () => openHarness('file'));
