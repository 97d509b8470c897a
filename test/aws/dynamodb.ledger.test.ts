import { ledgerSuite } from '../contract/ledger-suite.ts';
import { openDynamoHarness } from '../support/dynamodb-harness.ts';

ledgerSuite('DynamoDB', openDynamoHarness, { durable: true, lagMsMax: 5_000 });
