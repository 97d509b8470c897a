import middy from '@middy/core';
import { keepInventory } from '../../shared/issuance/keep-inventory.ts';
import { wiring } from './wiring.ts';

const ports = wiring();

/** Every minute: takes what has expired off the sums that the blast radius is read from. */
export const handler = middy<unknown, { readonly steps: number; readonly more: boolean }>().handler(() =>
  keepInventory(ports),
);
