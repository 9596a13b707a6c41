/**
 * The expressions of nftables' virtual machine, as far as Gantry's rules need them: each appends itself to a rule. Registers are the
 * 32-bit ones, numbered from 0; a value of n bytes takes the next n/4. See linux/netfilter/nf_tables.h; `nft --debug=netlink` shows the
 * same of any rule.
 */
import type { MessageBuilder } from './message.ts';

export type Expression = (rule: MessageBuilder) => void;

const NFTA_LIST_ELEM = 1;
const NFTA_EXPR_NAME = 1;
const NFTA_EXPR_DATA = 2;
const NFTA_DATA_VALUE = 1;
const NFTA_DATA_VERDICT = 2;
const NFTA_VERDICT_CODE = 1;
const NFTA_VERDICT_CHAIN = 2;

const NFT_REG32_00 = 8;
/** The register of verdicts. */
const NFT_REG_VERDICT = 0;
const VERDICTS = { drop: 0, accept: 1, jump: -3, goto: -4, return: -5 } as const;

const META_KEYS = { iifname: 6, nfproto: 15, l4proto: 16 } as const;
const NFT_CT_STATUS = 2;
const IPS_DST_NAT = 1 << 5;
const PAYLOAD_BASES = { network: 1, transport: 2 } as const;
const NFT_FIB_RESULT_ADDRTYPE = 3;
const NFTA_FIB_F_DADDR = 2;
const RTN_LOCAL = 2;
const NFT_NAT_DNAT = 1;
const FAMILIES = { ipv4: 2, ipv6: 10 } as const;

const register = (number: number): number => NFT_REG32_00 + number;

function expression(name: string, fill: (data: MessageBuilder) => void): Expression {
  return (rule) => {
    rule.nest(NFTA_LIST_ELEM, (element) => {
      element.string(NFTA_EXPR_NAME, name).nest(NFTA_EXPR_DATA, fill);
    });
  };
}

export function meta(key: keyof typeof META_KEYS, to = 0): Expression {
  return expression('meta', (data) => data.be32(1, register(to)).be32(2, META_KEYS[key]));
}

export function payload(base: keyof typeof PAYLOAD_BASES, offset: number, length: number, to = 0): Expression {
  return expression('payload', (data) =>
    data.be32(1, register(to)).be32(2, PAYLOAD_BASES[base]).be32(3, offset).be32(4, length),
  );
}

/** Goes on with the rule when register 0 has this value. */
export function equals(value: Uint8Array): Expression {
  return compare(0, value);
}

export function differs(value: Uint8Array): Expression {
  return compare(1, value);
}

function compare(operation: number, value: Uint8Array): Expression {
  return expression('cmp', (data) =>
    data
      .be32(1, register(0))
      .be32(2, operation)
      .nest(3, (nest) => nest.bytes(NFTA_DATA_VALUE, value)),
  );
}

/** Goes on when the value that begins in register 0 is in the set. */
export function inSet(name: string): Expression {
  return expression('lookup', (data) => data.string(1, name).be32(2, register(0)));
}

/** Goes on when the key that begins in register 0 is in the map; what it stands for replaces it there. */
export function fromMap(name: string): Expression {
  return expression('lookup', (data) => data.string(1, name).be32(2, register(0)).be32(3, register(0)));
}

/** Goes on for packets to one of the host's own addresses. */
export function toLocalAddress(): Expression[] {
  const type = Buffer.alloc(4);
  type.writeUInt32LE(RTN_LOCAL);
  const fib = expression('fib', (data) =>
    data.be32(1, register(0)).be32(2, NFT_FIB_RESULT_ADDRTYPE).be32(3, NFTA_FIB_F_DADDR),
  );
  return [fib, equals(type)];
}

/** Goes on for packets of flows whose destination was translated. */
export function destinationTranslated(): Expression[] {
  const mask = Buffer.alloc(4);
  mask.writeUInt32LE(IPS_DST_NAT);
  return [
    expression('ct', (data) => data.be32(1, register(0)).be32(2, NFT_CT_STATUS)),
    expression('bitwise', (data) =>
      data
        .be32(1, register(0))
        .be32(2, register(0))
        .be32(3, 4)
        .nest(4, (nest) => nest.bytes(NFTA_DATA_VALUE, mask))
        .nest(5, (nest) => nest.bytes(NFTA_DATA_VALUE, Buffer.alloc(4))),
    ),
    differs(Buffer.alloc(4)),
  ];
}

/** Sends the flow to the address that begins in register 0, and to the port in register `port` when given. */
export function dnat(family: keyof typeof FAMILIES, port?: number): Expression {
  return expression('nat', (data) => {
    data.be32(1, NFT_NAT_DNAT).be32(2, FAMILIES[family]).be32(3, register(0));
    if (port !== undefined) data.be32(5, register(port));
  });
}

/** Sends the flow to this host itself, to the given port. */
export function redirect(port: number): Expression[] {
  const value = Buffer.alloc(2);
  value.writeUInt16BE(port);
  return [
    expression('immediate', (data) => data.be32(1, register(0)).nest(2, (nest) => nest.bytes(NFTA_DATA_VALUE, value))),
    expression('redir', (data) => data.be32(1, register(0))),
  ];
}

export function masquerade(): Expression {
  return expression('masq', () => {});
}

export function verdict(name: keyof typeof VERDICTS, chain?: string): Expression {
  return expression('immediate', (data) =>
    data.be32(1, NFT_REG_VERDICT).nest(2, (nest) =>
      nest.nest(NFTA_DATA_VERDICT, (code) => {
        code.be32(NFTA_VERDICT_CODE, VERDICTS[name]);
        if (chain !== undefined) code.string(NFTA_VERDICT_CHAIN, chain);
      }),
    ),
  );
}
