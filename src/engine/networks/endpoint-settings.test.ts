import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointSettings } from '../../api/schemas/container.ts';
import type { NetworkRecord } from '../../network/contract.ts';
import type { ContainerRecord } from '../container-record.ts';
import { checkEndpoint, endpointRequest } from './endpoint-settings.ts';

const pool = (subnet: string, given: boolean) => ({ subnet, gateway: '', ipRange: '', aux: {}, given });

test('addresses are checked against the subnets that were given', () => {
  const record = { pools: [pool('10.1.0.0/24', true), pool('fd00::/64', false)] } as unknown as NetworkRecord;
  const check = (IPAMConfig: object) => checkEndpoint({ IPAMConfig }, 'net', record);
  check({ IPv4Address: '10.1.0.9' });
  for (const [config, message] of [
    [{ IPv4Address: '10.2.0.9' }, 'no configured subnet or ip-range contain the IP address 10.2.0.9'],
    [
      { IPv6Address: 'fd00::9' },
      'user specified IP address is supported only when connecting to networks with user configured subnets',
    ],
    [{ IPv4Address: 'fd00::9' }, 'invalid IPv4 address: fd00::9'],
    [
      { IPv4Address: '0.0.0.0', LinkLocalIPs: ['x'] },
      '* invalid IPv4 address: 0.0.0.0\n* invalid link-local IP address: x',
    ],
  ] as const) {
    const expected = { code: 'invalid_parameter', message: `invalid endpoint settings:\n${message}` };
    assert.throws(() => check(config), expected);
  }
  // A network that is made later has its say at the start.
  checkEndpoint({ IPAMConfig: { IPv4Address: '10.2.0.9' } }, 'net', null);
});

test('sysctls of an interface, its name in capitals or, as the docker command sends it, in small letters', () => {
  const option = 'com.docker.network.endpoint.sysctls';
  const wanted = (text: string): EndpointSettings => ({ DriverOpts: { [option]: text } });
  const settings = wanted('net.ipv4.conf.ifname.log_martians=1,net.ipv6.conf.IFNAME.accept_ra=2');
  checkEndpoint(settings, 'net', null);
  const record = { endpointsConfig: { net: settings } } as unknown as ContainerRecord;
  assert.deepEqual(endpointRequest(record, 'net').sysctls, {
    'net.ipv4.conf.IFNAME.log_martians': '1',
    'net.ipv6.conf.IFNAME.accept_ra': '2',
  });
  assert.throws(() => checkEndpoint(wanted('net.ipv4.conf.eth0.x=1'), 'net', null), {
    code: 'invalid_parameter',
    message: /unrecognised network interface sysctl 'net\.ipv4\.conf\.eth0\.x=1'/,
  });
});
