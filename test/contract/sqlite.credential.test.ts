import { openHarness } from '../support/sqlite-harness.ts';
import { credentialSuite } from './credential-suite.ts';

credentialSuite('SQLite in memory', () => openHarness('memory'), { durable: false });
credentialSuite('SQLite in a file', () => openHarness('file'), { durable: true });
