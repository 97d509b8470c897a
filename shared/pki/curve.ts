import { unsignedInteger } from './der/reader.ts';
import { oids } from './oids.ts';

/** A short Weierstrass curve over a prime field with a = −3 (FIPS 186-5, SP 800-186 §3.2.1). */
interface Curve {
  readonly name: string;
  readonly fieldBytes: number;
  /** Only where points are checked: the prime and b. */
  readonly equation?: { readonly p: bigint; readonly b: bigint };
}

const curves: ReadonlyMap<string, Curve> = new Map<string, Curve>([
  [
    oids.secp256r1,
    {
      name: 'P-256',
      fieldBytes: 32,
      equation: {
        p: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
        b: 0x5ac635d8_aa3a93e7_b3ebbd55_769886bc_651d06b0_cc53b0f6_3bce3c3e_27d2604bn,
      },
    },
  ],
  [
    oids.secp384r1,
    {
      name: 'P-384',
      fieldBytes: 48,
      equation: {
        p: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
        b: 0xb3312fa7_e23ee7e4_988e056b_e3f82d19_181d9c6e_fe814112_0314088f_5013875a_c656398d_8a2ed19d_2a85c8ed_d3ec2aefn,
      },
    },
  ],
  [
    oids.secp521r1,
    {
      name: 'P-521',
      fieldBytes: 66,
      equation: {
        p: 2n ** 521n - 1n,
        b: 0x51_953eb961_8e1c9a1f_929a21a0_b68540ee_a2da725b_99b315f3_b8b48991_8ef109e1_56193951_ec7e937b_1652c0bd_3bb1bf07_3573df88_3d2c34f1_ef451fd4_6b503f00n,
      },
    },
  ],
  [oids.secp192r1, { name: 'P-192', fieldBytes: 24 }],
  [oids.secp224r1, { name: 'P-224', fieldBytes: 28 }],
  [oids.secp256k1, { name: 'secp256k1', fieldBytes: 32 }],
]);

/** The usual name of a named curve (`P-256`, `secp256k1`), or its object identifier where we know none. */
export function curveName(oid: string): string {
  return curves.get(oid)?.name ?? oid;
}

/** How an elliptic-curve point is encoded. */
export type PointForm = 'uncompressed' | 'compressed';

/**
 * The form of a point (SEC 1 §2.3.3), or undefined when it is no point of the curve: infinity, hybrid form, wrong
 * length, a coordinate that is not below the prime, or y² ≠ x³ − 3x + b. The equation is checked for the curves we
 * issue to (P-256, P-384, P-521) in uncompressed form; all others are refused by policy without it.
 */
export function pointForm(curveOid: string, point: Uint8Array): PointForm | undefined {
  const curve = curves.get(curveOid);
  const form = point[0] === 0x04 ? 'uncompressed' : point[0] === 0x02 || point[0] === 0x03 ? 'compressed' : undefined;
  if (form === undefined) return undefined;
  if (curve === undefined)
    return point.length > 1 && (form === 'compressed' || point.length % 2 === 1) ? form : undefined;
  if (point.length !== 1 + curve.fieldBytes * (form === 'uncompressed' ? 2 : 1)) return undefined;
  if (curve.equation === undefined) return form;
  const { p, b } = curve.equation;
  const x = unsignedInteger(point.subarray(1, 1 + curve.fieldBytes));
  if (x >= p) return undefined;
  if (form === 'compressed') return form;
  const y = unsignedInteger(point.subarray(1 + curve.fieldBytes));
  return y < p && (y * y - (x * x - 3n) * x - b) % p === 0n ? form : undefined;
}

/** Octets of a coordinate or scalar of a curve known by `curveName`'s name; undefined for another. */
export function fieldBytesOf(name: string): number | undefined {
  return fieldBytesByName.get(name);
}

const fieldBytesByName: ReadonlyMap<string, number> = new Map(
  Array.from(curves.values(), (curve) => [curve.name, curve.fieldBytes]),
);
