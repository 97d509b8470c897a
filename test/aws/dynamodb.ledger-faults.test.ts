import { ledgerSuite } from '../contract/ledger-suite.ts';
import { openDynamoHarness } from '../support/dynamodb-harness.ts';
import { forgetTokens, type Loss, loseAnswers } from '../support/dynamodb-middleware.ts';

/**
 * The same contract while calls get lost: of every seven writes one never arrives, and two take effect and are not answered,
 * and DynamoDB has forgotten the token of the transaction when it comes again. So the ledger has to find out by itself what
 * became of each: a move that was made must be `moved`, a name that was released `true`, what is counted counted once.
 * Leases of CRL slots alone may lose what they leased, and are left whole.
 */
const writes = new Set(['TransactWriteItemsCommand', 'UpdateItemCommand']);
const losses: readonly Loss[] = [undefined, 'unanswered', undefined, 'unsent', undefined, 'unanswered', undefined];

ledgerSuite(
  'DynamoDB that loses calls and answers',
  () => {
    let sent = 0;
    return openDynamoHarness({
      onLedgerClient(client) {
        forgetTokens(client);
        loseAnswers(client, (command, input) => {
          if (!writes.has(command) || JSON.stringify(input).includes('slotNext')) return undefined;
          return losses[sent++ % losses.length];
        });
      },
      ledger: { pause: async () => undefined, silencesMax: 12 },
    });
  },
  { durable: true, lagMsMax: 5_000 },
);
