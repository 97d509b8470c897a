import { describe, expect, it } from 'vitest';
import { decodeCertificationRequestBody, decodePemBlocks, encodeJsonPem, encodePem } from '../../shared/pki/pem.ts';
import { makeRequest, malformedBy, sampleBody } from '../support/certification-requests.ts';

const der = makeRequest();
const pem = encodePem('CERTIFICATE REQUEST', der);
const base64 = Buffer.from(der).toString('base64');

function decode(body: string | Uint8Array): Uint8Array {
  return decodeCertificationRequestBody(typeof body === 'string' ? Buffer.from(body, 'utf8') : body);
}

function codeOf(body: string | Uint8Array): string | undefined {
  return malformedBy(() => decode(body))?.code;
}

describe('a body with one certification request', () => {
  it.each<[string, string | Uint8Array]>([
    ['PEM (RFC 7468)', pem],
    ['the older label', encodePem('NEW CERTIFICATE REQUEST', der)],
    ['DER', der],
    ['bare base64', base64],
    ['bare base64 in lines', base64.replace(/.{76}/g, '$&\r\n')],
    ['CRLF line ends', pem.replaceAll('\n', '\r\n')],
    ['CR line ends', pem.replaceAll('\n', '\r')],
    ['no line end after the block', pem.trimEnd()],
    ['white space after the block', `${pem}\r\n \t\n`],
    ['text before the block', `Subject: CN = M\u00fcller\n    ----- dashes -----\n${pem}`],
    ['a byte order mark', `\ufeff${pem}`],
    ['blanks at the ends of lines', pem.replaceAll('\n', ' \t\n')],
    ['one line of base64', `-----BEGIN CERTIFICATE REQUEST-----\n${base64}\n-----END CERTIFICATE REQUEST-----`],
  ])('is taken as %s', (_what, body) => {
    expect(Buffer.from(decode(body)).equals(der)).toBe(true);
  });

  it.each<[string, string | Uint8Array, string]>([
    ['nothing', '', 'body-empty'],
    ['white space', ' \r\n\t', 'body-empty'],
    [
      'a block without content',
      '-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n',
      'body-empty',
    ],
    ['a certificate', encodePem('CERTIFICATE', der), 'not-a-certification-request'],
    ['a private key before the request', encodePem('PRIVATE KEY', der) + pem, 'not-a-certification-request'],
    ['two requests', pem + pem, 'more-than-one-request'],
    ['a request begun inside another', pem.replace(/\n-----END/, `\n${pem}-----END`), 'more-than-one-request'],
    ['text after the block', `${pem}thanks`, 'der-trailing-bytes'],
    ['a NUL after the block', `${pem}\0`, 'der-trailing-bytes'],
    ['a no-break space after the block', Buffer.concat([Buffer.from(pem), Buffer.from([0xa0])]), 'der-trailing-bytes'],
    ['a certificate after the request', pem + encodePem('CERTIFICATE', der), 'der-trailing-bytes'],
    ['labels that disagree', pem.replace('END CERTIFICATE', 'END NEW CERTIFICATE'), 'not-base64'],
    ['no END line', pem.slice(0, -40), 'not-base64'],
    ['an END line that is cut', pem.slice(0, -4), 'not-base64'],
    ['a BEGIN line inside a line of text', `see ${pem}`, 'not-base64'],
    ['an indented BEGIN line', ` ${pem}`, 'not-base64'],
    ['a BEGIN line that is cut', pem.replace('REQUEST-----\n', 'REQUEST---\n'), 'not-base64'],
    ['a BEGIN line without its blank before the request', `-----BEGIN\n${pem}`, 'not-base64'],
    ['RFC 1421 headers', pem.replace('\n', '\nProc-Type: 4,ENCRYPTED\n\n'), 'not-base64'],
    ['an RFC 7468 comment', pem.replace('\n', '\nComment\n'), 'not-base64'],
    ['base64url', base64.replaceAll('+', '-').replaceAll('/', '_').replace(/^..../, 'M-_I'), 'not-base64'],
    ['a foreign character', `${base64.slice(0, 8)}!${base64.slice(9)}`, 'not-base64'],
    ['padding too little', 'MAA', 'not-base64'],
    ['padding too much', 'MAAA====', 'not-base64'],
    ['padding in the middle', 'MA==MAAA', 'not-base64'],
    ['unused bits that are set (RFC 4648 3.5)', 'MAB=', 'not-base64'],
    ['JSON', '{"csr":"MAAA"}', 'not-base64'],
    ['the character 0 alone', '0', 'not-base64'],
    ['a form', 'csr=MIIBHj', 'not-base64'],
  ])('is not %s', (_what, body, code) => {
    expect(codeOf(body)).toBe(code);
  });

  it('is bounded in bytes (der-too-long)', () => {
    expect(codeOf(' '.repeat(65_537))).toBe('der-too-long');
    expect(malformedBy(() => decodeCertificationRequestBody(Buffer.from(pem), { pemBytesMax: 99 }))?.code).toBe(
      'der-too-long',
    );
  });

  it('reads the text of openssl and certtool over', () => {
    for (const file of ['openssl-text-newhdr.csr', 'gnutls-p256.csr']) {
      expect(decode(sampleBody(file))[0]).toBe(0x30);
    }
  });
});

describe('PEM', () => {
  it('is written in lines of 64 characters (RFC 7468 2)', () => {
    const lines = encodePem('X', new Uint8Array(100)).split('\n');
    expect(lines[0]).toBe('-----BEGIN X-----');
    expect(lines.slice(1, 4).map((line) => line.length)).toEqual([64, 64, 8]);
    expect(lines.slice(4)).toEqual(['-----END X-----', '']);
  });

  it.each([1, 47, 48, 49, 560])('is written as JSON would write it, of %i octets (RFC 8259 7)', (bytes) => {
    const octets = new Uint8Array(bytes).fill(0xfb);
    expect(encodeJsonPem('CERTIFICATE', octets)).toBe(JSON.stringify(encodePem('CERTIFICATE', octets)));
  });

  it('gives every block of a label, in order', () => {
    const text = `root\n${encodePem('CERTIFICATE', der)}leaf\n${encodePem('X', der)}${encodePem('CERTIFICATE', der.slice(1))}`;
    expect(decodePemBlocks(text, 'CERTIFICATE', 2).map((block) => block.length)).toEqual([der.length, der.length - 1]);
    expect(decodePemBlocks('', 'CERTIFICATE', 1)).toEqual([]);
  });

  it('refuses more blocks than asked for, and broken ones', () => {
    const text = encodePem('CERTIFICATE', der);
    expect(malformedBy(() => decodePemBlocks(text + text, 'CERTIFICATE', 1))?.code).toBe('der-too-many-elements');
    expect(malformedBy(() => decodePemBlocks(text.slice(0, 90), 'CERTIFICATE', 1))?.code).toBe('not-base64');
  });
});
