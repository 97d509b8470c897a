/** The figures of docs/acm-pca-design.md: SVG, from a hierarchy and the counters of a ledger. The same input, the same bytes. */
import { type Authority, addDuration, findProfile, type Hierarchy } from '../shared/hierarchy/hierarchy.ts';
import { outstandingAt } from '../shared/inventory/outstanding.ts';
import type { CounterRow } from '../shared/issuance/ports.ts';

const style =
  '.b{fill:#f8fafc;stroke:#475569;stroke-width:1.5}.h{fill:#fee2e2;stroke:#b91c1c}.p{fill:#dbeafe;stroke:#1d4ed8}.f{fill:#f1f5f9;stroke:#94a3b8}' +
  '.s{font-size:12px;fill:#475569}.t{fill:#0f172a}.e{stroke:#475569;stroke-width:1.5;fill:none}.g{stroke:#cbd5e1;stroke-width:1}.i{fill:#93c5fd}.d{fill:#e2e8f0}';

function svg(width: number, height: number, label: string, body: readonly string[]): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="14" role="img" aria-label="${label}">
  <defs><style>${style}</style></defs>
  <rect width="${width}" height="${height}" fill="#fff"/>
${body.map((line) => `  ${line}`).join('\n')}
</svg>
`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

function text(x: number, y: number, content: string, classes = 't', anchor = 'start'): string {
  return `<text class="${classes}" x="${x}" y="${y}" text-anchor="${anchor}">${escaped(content)}</text>`;
}

const backendClass = { 'acm-pca': 'p', pkcs11: 'h', software: 'f' } as const;
const backendName = { 'acm-pca': 'AWS Private CA', pkcs11: 'HSM (PKCS #11)', software: 'file, dev only' } as const;

/** A box a CA, below its issuer; the colour says where the key is. */
export function hierarchyFigure(hierarchy: Hierarchy): string {
  const tiers = ['root', 'subordinate', 'issuance'] as const;
  const boxWidth = 220;
  const places = new Map<string, { x: number; y: number }>();
  const rows = tiers.map((tier) => hierarchy.authorities.filter((authority) => authority.tier === tier));
  const width = Math.max(...rows.map((row) => row.length)) * (boxWidth + 30) + 30;
  const body: string[] = [];
  for (const [level, row] of rows.entries()) {
    const left = (width - row.length * (boxWidth + 30) + 30) / 2;
    for (const [index, authority] of row.entries()) {
      const place = { x: left + index * (boxWidth + 30), y: 16 + level * 112 };
      places.set(authority.id, place);
      const parent = places.get(authority.parent ?? '');
      if (parent !== undefined)
        body.push(
          `<path class="e" d="M${parent.x + boxWidth / 2} ${parent.y + 76}V${place.y - 18}H${place.x + boxWidth / 2}V${place.y}"/>`,
        );
      body.push(
        `<rect class="b ${backendClass[authority.backend]}" x="${place.x}" y="${place.y}" width="${boxWidth}" height="76" rx="8"/>`,
        text(place.x + 12, place.y + 22, `${authority.id}, generation ${authority.generation}`),
        text(place.x + 12, place.y + 42, `${authority.keyAlgorithm}, ${authority.validity.text}`, 's'),
        text(place.x + 12, place.y + 62, `key in ${backendName[authority.backend]}`, 's'),
      );
    }
  }
  return svg(width, 16 + rows.length * 112 - 20, 'The CAs, who signs whom, and where each key is', body);
}

/** The last instant at which a CA can still issue the longest of its leaves. */
export function issuesUntil(hierarchy: Hierarchy, authority: Authority, notAfter: number): number {
  const lifetimes = authority.profiles.map((name) => findProfile(hierarchy, name)?.validity);
  const longest = lifetimes.reduce((most, one) => (one === undefined ? most : Math.max(most, addDuration(0, one))), 0);
  return notAfter - longest;
}

/** A bar a CA from its making: blue while it can issue its longest leaf, grey while what it issued runs out. */
export function validityFigure(hierarchy: Hierarchy, from: number): string {
  const years = 21;
  const left = 130;
  const scale = 36;
  const end = addDuration(from, { text: `${years}y`, years });
  const x = (at: number) => Math.round(left + ((at - from) / (end - from)) * years * scale);
  const body: string[] = [];
  const bottom = 40 + hierarchy.authorities.length * 30;
  for (let year = 0; year <= years; year += 1) {
    const at = left + year * scale;
    body.push(`<path class="g" d="M${at} 24V${bottom - 8}"/>`);
    if (year % 5 === 0) body.push(text(at, 18, year === 0 ? 'made' : `${year} years`, 's', 'middle'));
  }
  for (const [index, authority] of hierarchy.authorities.entries()) {
    const y = 32 + index * 30;
    const notAfter = addDuration(from, authority.validity);
    const until = authority.tier === 'issuance' ? issuesUntil(hierarchy, authority, notAfter) : notAfter;
    body.push(
      text(left - 12, y + 15, authority.id, 't', 'end'),
      `<rect class="d" x="${left}" y="${y}" width="${x(notAfter) - left}" height="20" rx="3"/>`,
      `<rect class="i" x="${left}" y="${y}" width="${x(until) - left}" height="20" rx="3"/>`,
      text(x(notAfter) + 6, y + 15, authority.validity.text, 's'),
    );
  }
  const legend = [
    { at: left, style: 'i', says: 'issues' },
    { at: left + 90, style: 'd', says: 'issues its longest leaf no longer; what it issued runs out' },
  ];
  for (const { at, says, style: fill } of legend)
    body.push(
      `<rect class="${fill}" x="${at}" y="${bottom + 4}" width="12" height="12" rx="2"/>`,
      text(at + 18, bottom + 15, says, 's'),
    );
  return svg(left + years * scale + 40, bottom + 28, 'How long each CA signs, and how long what it signed runs', body);
}

/** At least the value, and a number whose quarters are round: 99,990 → 100,000. */
function roundedUp(value: number): number {
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(value)) - 1);
  return 4 * unit * Math.ceil(value / (4 * unit));
}

/** What would be outstanding if nothing were issued any more: how a compromise runs out by itself. */
export function exposureFigure(counters: Readonly<Record<string, readonly CounterRow[]>>, from: number): string {
  const days = 365;
  const [left, top, width, height] = [90, 20, 720, 220];
  const points = 73;
  const body: string[] = [];
  const curves = Object.entries(counters).map(([id, rows]) => ({
    id,
    values: Array.from({ length: points + 1 }, (_, index) =>
      outstandingAt(
        rows.filter(({ dimension }) => dimension === 'total'),
        from + (index * days * 86_400_000) / points,
      ),
    ),
  }));
  const most = roundedUp(Math.max(1, ...curves.flatMap(({ values }) => values)));
  for (let part = 0; part <= 4; part += 1) {
    const y = top + height - (part * height) / 4;
    body.push(`<path class="g" d="M${left} ${y}H${left + width}"/>`);
    body.push(text(left - 8, y + 4, Math.round((most * part) / 4).toLocaleString('en-US'), 's', 'end'));
  }
  for (const day of [0, 90, 180, 270, 365])
    body.push(text(left + (day * width) / days, top + height + 20, day === 0 ? 'today' : `${day} d`, 's', 'middle'));
  const colours = ['#1d4ed8', '#b91c1c', '#a16207', '#15803d'];
  for (const [index, { id, values }] of curves.entries()) {
    const colour = colours[index % colours.length];
    const path = values.map((value, at) => {
      const y = top + height - (value * height) / most;
      return `${at === 0 ? 'M' : 'L'}${Math.round(left + (at * width) / points)} ${Math.round(y)}`;
    });
    body.push(`<path d="${path.join('')}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    body.push(`<rect x="${left + width - 150}" y="${top + 4 + index * 20}" width="12" height="12" fill="${colour}"/>`);
    body.push(text(left + width - 132, top + 15 + index * 20, id, 's'));
  }
  return svg(left + width + 20, top + height + 34, 'Certificates outstanding in a year without new ones', body);
}
