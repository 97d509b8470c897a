import { openHarness } from '../support/sqlite-harness.ts';
import { authorityRegistrySuite } from './authority-registry-suite.ts';

authorityRegistrySuite('SQLite in memory', () => openHarness('memory'), { durable: false });
authorityRegistrySuite('SQLite in a file', () => openHarness('file'), { durable: true });
