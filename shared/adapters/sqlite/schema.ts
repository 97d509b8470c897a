import { firstTables } from './schema/first.ts';
import { laterChanges } from './schema/later.ts';

/** `SWL1`, https://www.sqlite.org/pragma.html#pragma_application_id: tells our file from any other database. */
export const applicationId = 0x53574c31;

/**
 * What makes the tables, as a list of migrations: `user_version` of a file is how many of them it has had. A migration is never
 * edited once released; a new one is appended.
 */
export const migrations: readonly string[] = [firstTables, ...laterChanges];
