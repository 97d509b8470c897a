/** Rules of the validations of HSMs that the owner has looked up. */
import type { Draft, DraftModule } from './draft.ts';
import type { Finding } from './fault.ts';
import { printable } from './printable.ts';
import type { HierarchyRule } from './rule.ts';

export const moduleRules: readonly HierarchyRule[] = [
  { code: 'module-repeated', reference: 'Sealwright custody: a module has one validation', check: repeated },
  { code: 'module-softhsm', reference: 'Sealwright custody: SoftHSM keeps keys in files', check: each(softHsm) },
  { code: 'module-status-date', reference: 'ISO 8601', check: each(statusDate) },
  {
    code: 'module-status-sunset',
    reference: 'NIST CMVP: FIPS 140-2 sunset, 2026-09-21',
    check: each(activeAfterSunset),
  },
];

function each(check: (module: DraftModule) => Finding | undefined): HierarchyRule['check'] {
  return ({ modules }) => modules.flatMap((module) => check(module) ?? []);
}

function repeated({ modules }: Draft): Finding[] {
  const seen = new Set<string>();
  return modules.flatMap(({ firmware, manufacturer, model, path }) => {
    if (firmware === undefined || manufacturer === undefined || model === undefined) return [];
    const name = JSON.stringify([manufacturer, model, firmware]);
    if (!seen.has(name)) {
      seen.add(name);
      return [];
    }
    const message = `${printable(`${manufacturer} ${model}`, 80)} with firmware ${firmware} has an entry above`;
    return [{ at: path, message }];
  });
}

function softHsm({ manufacturer = '', model = '', path }: DraftModule): Finding | undefined {
  if (!/soft\s*hsm/i.test(`${manufacturer} ${model}`)) return undefined;
  return { at: path, message: 'SoftHSM has no validation: its keys are files, for stage dev only' };
}

function statusDate({ path, statusAsOf }: DraftModule): Finding | undefined {
  if (statusAsOf === undefined || isDay(statusAsOf)) return undefined;
  return { at: [...path, 'statusAsOf'], message: `${statusAsOf} is no day of the calendar` };
}

function isDay(text: string): boolean {
  const at = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(text);
}

/** The custody's own date is not imported here: neither of the two layers knows the other. */
const fips1402Sunset = '2026-09-21';

function activeAfterSunset({ path, standard, status, statusAsOf }: DraftModule): Finding | undefined {
  if (standard !== 'FIPS 140-2' || status !== 'active' || statusAsOf === undefined) return undefined;
  if (statusAsOf < fips1402Sunset) return undefined;
  const message = `no FIPS 140-2 validation is active on ${statusAsOf}: all are historical since ${fips1402Sunset}`;
  return { at: [...path, 'status'], message };
}
