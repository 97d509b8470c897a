/** `sealwright hierarchy plan` and `apply` as processes: what a person and a script see, and kill -9 on the way. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, it } from 'vitest';
import { databaseFileName } from '../../localstack/acm-pca/store.ts';
import { openSqliteStore } from '../../shared/adapters/sqlite/store.ts';
import { crossedText } from '../support/apply-world.ts';
import { sampleHierarchyText } from '../support/hierarchies.ts';
import { projectDir, softHsmModule, softwareHierarchy } from '../support/service.ts';
import { itWithSoftHsm } from '../support/softhsm.ts';

const folder = mkdtempSync(join(tmpdir(), 'sealwright hierarchy '));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `onLine` is told each line of standard error as it comes. */
function sealwright(
  args: readonly string[],
  onLine: (line: string, child: ChildProcess) => void = () => undefined,
): Promise<Ended> {
  const script = join(projectDir, 'cli', 'sealwright.ts');
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, ...args], {
    cwd: folder,
    env: { ...process.env, ...(softHsmModule === undefined ? {} : { SEALWRIGHT_PKCS11_MODULE: softHsmModule }) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr, seen] = ['', '', 0];
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
    const lines = stderr.split('\n');
    for (; seen < lines.length - 1; seen += 1) onLine(lines[seen]!, child);
  });
  return new Promise((resolve) => child.once('close', (status) => resolve({ status, stdout, stderr })));
}

/** CAs in the endpoint's store, and private keys among SoftHSM's objects: one file an object, two a key pair and one a token. */
function countsOf(state: string): { readonly authorities: number; readonly keys: number } {
  const database = new DatabaseSync(join(state, 'acm-pca', databaseFileName), { readOnly: true });
  const authorities = Number(database.prepare('SELECT count(*) AS n FROM authority').get()!.n);
  database.close();
  const tokens = join(state, 'pkcs11', 'tokens');
  const objects = readdirSync(tokens).flatMap((token) =>
    readdirSync(join(tokens, token)).filter((file) => file.endsWith('.object') && file !== 'token.object'),
  );
  return { authorities, keys: objects.length / 2 };
}

const software = write('software.yaml', softwareHierarchy(sampleHierarchyText));

describe('hierarchy plan', () => {
  it('makes nothing, not even the state folder, and says what apply would do in 100 columns', async () => {
    const state = join(folder, 'none');
    const { status, stdout } = await sealwright(['hierarchy', 'plan', '--state', state, '--hierarchy', software]);
    expect(status).toBe(0);
    expect(existsSync(state)).toBe(false);
    expect(stdout).toContain('4 of the CAs would change');
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  });

  it('refuses a faulty file with every fault and its line', async () => {
    const file = join(projectDir, 'test', 'vectors', 'hierarchy', 'twenty-faults.yaml');
    const { status, stderr } = await sealwright(['hierarchy', 'plan', '--hierarchy', file]);
    expect(status).toBe(1);
    expect(stderr).toContain('for 20 faults');
    expect(stderr.match(/twenty-faults\.yaml:\d+:\d+: /g)).toHaveLength(20);
  });

  it('names the bill of short leaves in ACM PCA (short-leaves-priced-each)', async () => {
    const file = write('hourly.yaml', sampleHierarchyText.replace('validity: 365d', 'validity: 1h'));
    const { stdout } = await sealwright(['hierarchy', 'plan', '--state', join(folder, 'none'), '--hierarchy', file]);
    expect(stdout.replace(/\s+/g, ' ')).toMatch(
      /730,000 certificates a month .* \(USD [\d,]+ a month, prices of \d{4}-/,
    );
  });

  it('takes no PIN, only where one is read, and does not repeat what may be one', async () => {
    const plan = ['hierarchy', 'plan', '--state', join(folder, 'none')];
    const file = write('tokens.yaml', sampleHierarchyText);
    const pin = 'sealwright-issuance=hunter2-hunter2';
    const given = await sealwright([...plan, '--hierarchy', file, '--pin', pin]);
    expect([given.status, given.stderr]).toEqual([1, expect.stringContaining('fd:N, file:PATH, prompt')]);
    expect(given.stdout + given.stderr).not.toContain('hunter2');
    const unknown = await sealwright([...plan, '--hierarchy', file, '--pin', 'another=prompt']);
    expect([unknown.status, unknown.stderr]).toEqual([2, expect.stringContaining('sealwright-issuance')]);
  });
});

describe('hierarchy apply', () => {
  it('brings the state up, and a second time finds nothing to do; plan and JSON agree', async () => {
    const where = ['--state', join(folder, 'software'), '--hierarchy', software];
    const first = await sealwright(['hierarchy', 'apply', ...where]);
    expect([first.status, first.stdout]).toEqual([0, expect.stringContaining('4 made or adopted, 0 there before')]);
    const second = await sealwright(['hierarchy', 'apply', ...where, '--json']);
    expect(JSON.parse(second.stdout)).toMatchObject({
      changes: 0,
      outcome: { present: ['root', 'subordinate', 'devices', 'workloads'], built: [] },
    });
    const plan = await sealwright(['hierarchy', 'plan', ...where, '--json']);
    expect(JSON.parse(plan.stdout)).toMatchObject({ changes: 0, refused: 0, backendsAsked: true });
  });

  it('refuses while a service has the state, and says what to type; a plan is made beside it (state-in-use)', async () => {
    const state = join(folder, 'software');
    const store = openSqliteStore({ path: join(state, 'ledger.sqlite'), clock: Date.now });
    try {
      const where = ['--state', state, '--hierarchy', software];
      const apply = await sealwright(['hierarchy', 'apply', ...where]);
      expect([apply.status, apply.stderr]).toEqual([1, expect.stringContaining('stop the service')]);
      const plan = await sealwright(['hierarchy', 'plan', ...where, '--json']);
      expect([plan.status, JSON.parse(plan.stdout)]).toMatchObject([0, { changes: 0, backendsAsked: false }]);
    } finally {
      store.close();
    }
  });

  it('refuses to change what is installed, with exit 1 and the way out', async () => {
    const edited = write(
      'edited.yaml',
      softwareHierarchy(sampleHierarchyText).replace('CN=Devices G1', 'CN=Gadgets G1'),
    );
    const { status, stdout } = await sealwright([
      ...['hierarchy', 'apply'],
      ...['--state', join(folder, 'software'), '--hierarchy', edited],
    ]);
    expect([status, stdout]).toEqual([1, expect.stringContaining('write generation: 2')]);
  });

  itWithSoftHsm(
    'killed with SIGKILL at its start and after many of its steps, ends with the CAs and keys of the plan',
    async () => {
      /** So many steps were told of when it dies: five of a CA, the last of which registers it. False when one got away. */
      const killAll = async (command: readonly string[]): Promise<boolean> => {
        for (const stepsMax of [1, 3, 5, 2, 4, 5, 3, 1]) {
          let told = 0;
          const { status } = await sealwright(command, (_line, child) => {
            told += 1;
            if (told === stepsMax) child.kill('SIGKILL');
          });
          if (status !== null) {
            expect(status).toBe(0);
            return false;
          }
        }
        return true;
      };
      // On a loaded machine what it says may be read after its end: then from the beginning, in another place.
      let state = '';
      let apply: readonly string[] = [];
      let allKilled = false;
      for (let attempt = 1; attempt <= 4 && !allKilled; attempt++) {
        state = join(folder, `killed-${attempt}`);
        const file = write(`crossed-${attempt}.yaml`, crossedText(`killed-${attempt}`));
        apply = ['hierarchy', 'apply', '--state', state, '--hierarchy', file];
        allKilled = await killAll(apply);
      }
      expect(allKilled).toBe(true);
      const last = await sealwright(apply);
      expect([last.status, last.stdout]).toEqual([0, expect.stringContaining('the hierarchy is as the file says')]);
      expect(countsOf(state)).toEqual({ authorities: 2, keys: 2 });
    },
    180_000,
  );

  itWithSoftHsm('finds a token again whose object a kill at login cut short, and makes no second one', async () => {
    const state = join(folder, 'cut');
    const where = ['--state', state, '--hierarchy', write('cut.yaml', crossedText('cut'))];
    expect((await sealwright(['hierarchy', 'apply', ...where])).status).toBe(0);
    const tokens = join(state, 'pkcs11', 'tokens');
    const before = readdirSync(tokens);
    for (const token of before) truncateSync(join(tokens, token, 'token.object'), 40);
    const { status, stdout } = await sealwright(['hierarchy', 'apply', ...where]);
    expect([status, stdout]).toEqual([0, expect.stringContaining('4 there before')]);
    expect(readdirSync(tokens)).toEqual(before);
    expect(countsOf(state)).toEqual({ authorities: 2, keys: 2 });
  });
});
