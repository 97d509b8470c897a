import { formatIpAddress, parseIpAddress } from '../pki/ip-address.ts';
import { SealwrightError } from './errors.ts';
import type { Clock, IssuanceLedger, OperatorLog } from './ports.ts';

export interface ReleaseNamePorts {
  readonly ledger: Pick<IssuanceLedger, 'releaseName'>;
  readonly operatorLog: OperatorLog;
  readonly clock: Clock;
}

/** A name is given as its hold key (`dns:…`, `uri:…`, `ip:…`) or bare: a URI when it has a scheme, an address, else a DNS name. */
function holdKeyOf(name: string): string {
  const keyed = /^(dns|uri|ip):(?!\/\/)(.*)$/su.exec(name);
  const value = keyed?.[2] ?? name;
  const address = parseIpAddress(value);
  const kind = keyed?.[1] ?? (value.includes('://') ? 'uri' : address === undefined ? 'dns' : 'ip');
  if (kind === 'uri') return `uri:${value}`;
  if (kind === 'ip' && address !== undefined) return `ip:${formatIpAddress(address)}`;
  return `${kind}:${value.toLowerCase()}`;
}

/** Frees a name, so that another key may take it. Throws `not-found` when nobody holds it. */
export async function releaseName(ports: ReleaseNamePorts, operatorId: string, name: string): Promise<void> {
  const key = holdKeyOf(name);
  const at = ports.clock();
  const released = await ports.ledger.releaseName(key, at);
  await ports.operatorLog.append({
    at,
    operatorId,
    action: 'name:release',
    subject: key,
    outcome: released ? 'done' : 'refused',
  });
  if (!released) throw new SealwrightError('not-found', { clientDetail: 'nobody holds this name' });
}
