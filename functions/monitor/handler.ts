import middy from '@middy/core';
import type { AlarmName } from '../../shared/issuance/alarms.ts';
import { inspect } from '../../shared/issuance/inspect.ts';
import { wiring } from './wiring.ts';

const ports = wiring();

/** Every minute: raises what no single request or batch sees. */
export const handler = middy<unknown, { readonly raised: readonly AlarmName[] }>().handler(async () => ({
  raised: await inspect(ports),
}));
