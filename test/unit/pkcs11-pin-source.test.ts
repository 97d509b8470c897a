import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  type PinIo,
  PinSourceError,
  type PinSourceErrorCode,
  parsePinSource,
  pinBytesMax,
  readPin,
} from '../../shared/adapters/pkcs11/pin-source.ts';

const arn = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:hsm/root-AbCdEf';
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sealwright-pin-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function terminal() {
  const raw: boolean[] = [];
  const shown: string[] = [];
  const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode: (on: boolean) => raw.push(on) });
  const io: PinIo = { input, output: { write: (text) => shown.push(text) } };
  return { input, io, raw, shown };
}

const nobody: PinIo = { input: new PassThrough(), output: { write: () => undefined } };

function pinFile(name: string, text: string | Uint8Array, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

async function refusal(work: () => Promise<unknown>): Promise<{ code: PinSourceErrorCode; text: string }> {
  const error = await work().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof PinSourceError)) throw new Error(`not refused: ${String(error)}`);
  return { code: error.code, text: `${error.message}\n${String(error.cause)}\n${error.stack}` };
}

describe('the text of a source', () => {
  it.each([
    ['prompt', { kind: 'prompt' }],
    ['fd:0', { kind: 'fd', fd: 0 }],
    ['fd:3', { kind: 'fd', fd: 3 }],
    ['file:/run/pin:1', { kind: 'file', path: '/run/pin:1' }],
    [`secretsmanager:${arn}`, { kind: 'secretsmanager', arn, region: 'eu-west-1' }],
  ])('reads %s', (spec, source) => {
    expect(parsePinSource(spec)).toEqual(source);
  });

  it.each(['', '123456', 'pin:123456', 'fd:', 'fd:1', 'fd:2', 'fd:-1', 'fd:3x', 'fd:99999', 'file:', 'file:a\0b'])(
    'refuses %j (pin-source-syntax)',
    (spec) => {
      expect(() => parsePinSource(spec)).toThrow(expect.objectContaining({ code: 'pin-source-syntax' }));
    },
  );

  it.each(['secretsmanager:', 'secretsmanager:name', `secretsmanager:${arn.replace(':secret:', ':other:')}`])(
    'refuses %s (pin-source-syntax)',
    (spec) => {
      expect(() => parsePinSource(spec)).toThrow(expect.objectContaining({ code: 'pin-source-syntax' }));
    },
  );

  it('never repeats a text that may be the PIN itself', async () => {
    for (const spec of [
      'hunter2-hunter2',
      'fd:hunter2-hunter2',
      'hunter2-hunter2:x',
      'secretsmanager:hunter2-hunter2',
    ]) {
      const { text } = await refusal(async () => parsePinSource(spec));
      expect(text).not.toContain('hunter2');
    }
  });
});

describe('a file', () => {
  it('is read without its final line break', async () => {
    expect(await readPin(`file:${pinFile('a', '12345678\n')}`, nobody)).toBe('12345678');
    expect(await readPin(`file:${pinFile('b', 'user:pass word\r\n', 0o400)}`, nobody)).toBe('user:pass word');
  });

  it.each([0o640, 0o604, 0o660, 0o644, 0o601])(
    'that others can reach, mode %o, is refused (pin-file-mode)',
    async (mode) => {
      const path = pinFile(`mode-${mode}`, '12345678', mode);
      expect(await refusal(() => readPin(`file:${path}`, nobody))).toMatchObject({ code: 'pin-file-mode' });
    },
  );

  it('behind a link is judged by the file itself (pin-file-mode)', async () => {
    const link = join(folder, 'link');
    symlinkSync(pinFile('target', '12345678', 0o644), link);
    expect(await refusal(() => readPin(`file:${link}`, nobody))).toMatchObject({ code: 'pin-file-mode' });
  });

  it('that is not there, or is a folder, is refused (pin-source-unreadable)', async () => {
    expect(await refusal(() => readPin(`file:${folder}/none`, nobody))).toMatchObject({
      code: 'pin-source-unreadable',
    });
    expect(await refusal(() => readPin(`file:${folder}`, nobody))).toMatchObject({ code: 'pin-source-unreadable' });
  });

  it.each([
    ['empty', ''],
    ['a line break', '\n'],
    ['two lines', 'secret-one\nsecret-two\n'],
    ['too long', 's'.repeat(pinBytesMax + 1)],
    ['very long', 's'.repeat(1_000_000)],
    ['no text', Uint8Array.from([0xff, 0xfe, 0x41])],
  ])('that is %s is refused and not repeated (pin-unusable)', async (name, content) => {
    const path = pinFile(`bad-${name.replaceAll(' ', '-')}`, content);
    const { code, text } = await refusal(() => readPin(`file:${path}`, nobody));
    expect(code).toBe('pin-unusable');
    expect(text).not.toMatch(/secret-|sss/);
  });

  it('may hold a PIN of the greatest length', async () => {
    const path = pinFile('long', `${'s'.repeat(pinBytesMax)}\n`);
    expect(await readPin(`file:${path}`, nobody)).toHaveLength(pinBytesMax);
  });
});

describe('a file descriptor', () => {
  const script = join(import.meta.dirname, '..', '..', 'shared', 'adapters', 'pkcs11', 'pin-source.ts');
  const program = `import { readPin } from ${JSON.stringify(script)};
    readPin(process.argv[1], { input: process.stdin, output: process.stderr, fdWaitMsMax: 1500 })
      .then((pin) => console.log(pin.length), (error) => console.log(error.code, error.message));`;
  const run = (spec: string, stdio: ('pipe' | 'ignore' | number)[]) =>
    spawnSync(process.execPath, ['--input-type=module-typescript', '-e', program, spec], {
      stdio: stdio as never,
      input: 'from-stdin-1\n',
      encoding: 'utf8',
    }).stdout.trim();

  it('hands the PIN over to a process', () => {
    const fd = openSync(pinFile('fd', 'from-a-file-descriptor\n'), 'r');
    expect(run('fd:3', ['pipe', 'pipe', 'pipe', fd])).toBe('22');
    expect(run('fd:0', ['pipe', 'pipe', 'pipe'])).toBe('12');
  });

  it('that is not open is refused (pin-source-unreadable)', () => {
    expect(run('fd:900', ['pipe', 'pipe', 'pipe'])).toMatch(/^pin-source-unreadable /);
  });

  it('that says nothing is not waited for without end (pin-source-unreadable)', async () => {
    const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', program, 'fd:3'], {
      stdio: ['ignore', 'pipe', 'ignore', 'pipe'],
    });
    let said = '';
    child.stdout!.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    await new Promise((resolve) => child.once('exit', resolve));
    expect(said).toMatch(/^pin-source-unreadable .* did not end/);
  });
});

describe('the prompt', () => {
  it('reads a line without echo and puts the terminal back', async () => {
    const { input, io, raw, shown } = terminal();
    const pin = readPin('prompt', io, 'PIN of token root');
    input.write('12x\u007f34');
    input.write('5678\r');
    expect(await pin).toBe('12345678');
    expect(raw).toEqual([true, false]);
    expect(shown.join('')).toBe('PIN of token root: \n');
  });

  it('begins anew at Ctrl-U, and keeps a pasted second line for the next question', async () => {
    const { input, io } = terminal();
    const first = readPin('prompt', io);
    input.write('wrong\u0015right-1\nright-2\n');
    expect(await first).toBe('right-1');
    expect(await readPin('prompt', io)).toBe('right-2');
  });

  it.each(['abc\u0003', 'abc\u0004'])('ends at Ctrl-C and Ctrl-D (pin-prompt-interrupted)', async (typed) => {
    const { input, io, raw } = terminal();
    const pin = refusal(() => readPin('prompt', io));
    input.write(typed);
    expect(await pin).toMatchObject({ code: 'pin-prompt-interrupted' });
    expect(raw).toEqual([true, false]);
  });

  it('needs a terminal (pin-prompt-no-terminal)', async () => {
    expect(await refusal(() => readPin('prompt', nobody))).toMatchObject({ code: 'pin-prompt-no-terminal' });
  });

  it('does not keep what is longer than a PIN (pin-unusable)', async () => {
    const { input, io } = terminal();
    const pin = refusal(() => readPin('prompt', io));
    input.write(`${'a'.repeat(10_000)}\r`);
    expect(await pin).toMatchObject({ code: 'pin-unusable' });
  });
});

describe('AWS Secrets Manager', () => {
  afterEach(() => vi.unstubAllEnvs());

  async function serving(status: number, answer: object, work: (requests: object[]) => Promise<void>): Promise<void> {
    const requests: object[] = [];
    const server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      request.on('end', () => {
        requests.push({ target: request.headers['x-amz-target'], body: JSON.parse(body) });
        response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(answer));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    vi.stubEnv('AWS_ENDPOINT_URL_SECRETS_MANAGER', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
    try {
      await work(requests);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  it('is asked for the secret by its ARN', async () => {
    await serving(200, { ARN: arn, SecretString: 'crypto-user:pass\n' }, async (requests) => {
      expect(await readPin(`secretsmanager:${arn}`, nobody)).toBe('crypto-user:pass');
      expect(requests).toEqual([{ target: 'secretsmanager.GetSecretValue', body: { SecretId: arn } }]);
    });
  });

  it('that refuses is a source that cannot be read (pin-source-unreadable)', async () => {
    await serving(400, { __type: 'ResourceNotFoundException', message: 'no' }, async () => {
      const { code, text } = await refusal(() => readPin(`secretsmanager:${arn}`, nobody));
      expect(code).toBe('pin-source-unreadable');
      expect(text).toContain('ResourceNotFoundException');
    });
  });

  it('whose secret is bytes has no PIN (pin-source-unreadable)', async () => {
    await serving(200, { ARN: arn, SecretBinary: 'AAAA' }, async () => {
      expect(await refusal(() => readPin(`secretsmanager:${arn}`, nobody))).toMatchObject({
        code: 'pin-source-unreadable',
      });
    });
  });
});
