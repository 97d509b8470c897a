/**
 * Reads the YAML of a hierarchy, bounded: no aliases, merge keys or tags (each can make the text say something else than
 * what a reviewer reads), no duplicate keys, and every value can be traced to its line.
 */
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  visit,
} from 'yaml';
import { formatPath, type HierarchyFault, type HierarchyFaultCode, type YamlPath } from './fault.ts';
import { printable } from './printable.ts';

export const hierarchyBytesMax = 256 * 1024;
const depthMax = 32;
/** A text that is not YAML gives an error a line; the first ones say enough. */
const problemsMax = 20;

export interface YamlPosition {
  readonly line: number;
  readonly column: number;
}

export interface YamlSource {
  /** Plain values: null, boolean, number, string, arrays and objects. */
  readonly value: unknown;
  /** Where a value stands; of a path that does not exist, where its nearest container does. */
  locate(path: YamlPath, atKey?: boolean): YamlPosition;
}

export interface YamlReading {
  /** Absent when the text cannot be trusted to say what it seems to: then the faults are all there is. */
  readonly source?: YamlSource;
  readonly faults: readonly HierarchyFault[];
}

/** Total: any text gives a reading. A duplicate key is a fault, and the rest of the file is still read. */
export function readYaml(text: string): YamlReading {
  const bytes = Buffer.byteLength(text, 'utf8');
  if (bytes > hierarchyBytesMax) {
    return refuse('too-large', `the file has ${bytes} bytes; at most ${hierarchyBytesMax} are read`);
  }
  const depth = flowDepth(text);
  if (depth > depthMax) return refuse('yaml-too-deep', `brackets nest ${depth} deep; at most ${depthMax} are read`);
  const counter = new LineCounter();
  try {
    // Unique keys are checked below in linear time; the parser's own check compares all pairs.
    const document = parseDocument(text, {
      lineCounter: counter,
      prettyErrors: false,
      uniqueKeys: false,
      stringKeys: true,
      logLevel: 'error',
    });
    return readDocument(document, counter);
  } catch (error) {
    if (error instanceof RangeError) return refuse('yaml-too-deep', 'the file nests too deep to be read');
    throw error;
  }
}

function refuse(code: HierarchyFaultCode, message: string): YamlReading {
  return { faults: [{ line: 1, column: 1, path: '', code, message }] };
}

/** Upper bound of the nesting of flow collections, counted before a recursive parser sees them. Block nesting costs indentation. */
function flowDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code === 0x5b || code === 0x7b) {
      depth += 1;
      if (depth > deepest) deepest = depth;
    } else if ((code === 0x5d || code === 0x7d) && depth > 0) depth -= 1;
    else if (code === 0x0a && depth > 0 && !/^\s/.test(text[i + 1] ?? '')) depth = 0;
  }
  return deepest;
}

function readDocument(document: Document.Parsed, counter: LineCounter): YamlReading {
  const at = (offset: number): YamlPosition => {
    const { line, col } = counter.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const constructs = forbiddenConstructs(document, at);
  // A tag that does not resolve is found by its node too; one fault for it is enough.
  const problems = [...document.errors, ...document.warnings].filter(
    (problem) => problem.code !== 'TAG_RESOLVE_FAILED',
  );
  const faults: HierarchyFault[] = problems.slice(0, problemsMax).map((problem) => ({
    ...at(problem.pos[0]),
    path: '',
    // The parser's own guard of its stack, for block collections nested on one line.
    code: problem.code === 'RESOURCE_EXHAUSTION' ? 'yaml-too-deep' : 'yaml-syntax',
    message: `not readable as YAML: ${printable(problem.message, 160)}`,
  }));
  faults.push(...constructs);
  if (faults.some((fault) => fault.code !== 'yaml-duplicate-key')) return { faults };
  const value: unknown = document.toJS({ maxAliasCount: 0 });
  return { source: { value, locate: (path, atKey) => locate(document, path, atKey === true, at) }, faults };
}

function forbiddenConstructs(document: Document.Parsed, at: (offset: number) => YamlPosition): HierarchyFault[] {
  const faults: HierarchyFault[] = [];
  const add = (code: HierarchyFaultCode, offset: number, message: string) =>
    faults.push({ ...at(offset), path: '', code, message });
  const start = (node: Node) => node.range?.[0] ?? 0;
  visit(document, {
    Node(_, node) {
      if (isAlias(node)) {
        add(
          'yaml-alias',
          start(node),
          `*${printable(node.source, 40)} is an alias: write the value out where it is meant`,
        );
        return;
      }
      if (node.anchor !== undefined) {
        add(
          'yaml-alias',
          start(node),
          `&${printable(node.anchor, 40)} is an anchor: write the value out where it is meant`,
        );
      }
      if (node.tag !== undefined) add('yaml-tag', start(node), `the tag ${printable(node.tag, 40)} is not read here`);
    },
    Map(_, map) {
      const lines = new Map<string, number>();
      for (const pair of map.items as Pair<Node, Node | null>[]) {
        const key = keyText(pair);
        if (key === undefined) continue;
        const offset = isNode(pair.key) ? start(pair.key) : 0;
        if (key === '<<') add('yaml-merge-key', offset, '<< merges another mapping in: write its members out here');
        const before = lines.get(key);
        if (before === undefined) lines.set(key, at(offset).line);
        else
          add(
            'yaml-duplicate-key',
            offset,
            `'${printable(key, 60)}' stands here again; it is already on line ${before}`,
          );
      }
    },
  });
  return faults;
}

function keyText(pair: Pair<Node, Node | null>): string | undefined {
  return isScalar(pair.key) ? String(pair.key.value) : undefined;
}

function locate(
  document: Document.Parsed,
  path: YamlPath,
  atKey: boolean,
  at: (offset: number) => YamlPosition,
): YamlPosition {
  let node: unknown = document.contents;
  let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
  for (const [depth, step] of path.entries()) {
    if (isMap(node)) {
      const pairs = node.items as Pair<Node, Node | null>[];
      // The last of duplicates: the one whose value counts.
      const pair = pairs.findLast((candidate) => keyText(candidate) === String(step));
      if (pair === undefined) break;
      const keyOffset = isNode(pair.key) ? (pair.key.range?.[0] ?? offset) : offset;
      node = pair.value;
      // A missing value or a block collection on the next line is best shown at its key.
      const own = isScalar(node) && node.range && node.range[1] > node.range[0] ? node.range[0] : keyOffset;
      offset = atKey && depth === path.length - 1 ? keyOffset : own;
    } else {
      const items: readonly unknown[] = isNode(node) && 'items' in node ? (node.items as readonly unknown[]) : [];
      const item = items[Number(step)];
      if (!isNode(item)) break;
      node = item;
      offset = item.range?.[0] ?? offset;
    }
  }
  return at(offset);
}

export function positioned(
  source: YamlSource,
  code: HierarchyFaultCode,
  finding: { readonly at: YamlPath; readonly message: string; readonly atKey?: boolean },
  reference?: string,
): HierarchyFault {
  return {
    ...source.locate(finding.at, finding.atKey),
    path: formatPath(finding.at),
    code,
    message: finding.message,
    ...(reference === undefined ? {} : { reference }),
  };
}
