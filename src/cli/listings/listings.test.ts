import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatRows } from '../format/rows.ts';
import { containerListing, containerRow } from './containers.ts';
import { historyListing, historyRow, imageListing, imageRows } from './images.ts';
import { displayPorts } from './ports.ts';
import { cpuPercent, memoryUsed, STATS_LISTING, statsRow } from './stats.ts';

const now = 1_800_000_000_000;
const id = '0123456789abcdef'.repeat(4);

describe('listings', () => {
  it('prints containers as docker ps', () => {
    const row = containerRow(
      {
        Id: id,
        Names: ['/web', '/other/link'],
        Image: 'busybox',
        ImageID: `sha256:${id}`,
        Command: 'sh -c "sleep 600; echo done"',
        Created: now / 1000 - 300,
        State: 'running',
        Status: 'Up 5 minutes',
        SizeRw: 12,
        SizeRootFs: 4_212_978,
        Labels: { a: '1', b: '2' },
      },
      true,
      now,
    );
    const text = formatRows(containerListing(true), [row], { format: '', quiet: false });
    assert.equal(
      text,
      'CONTAINER ID   IMAGE     COMMAND                   CREATED         STATUS         PORTS     NAMES     SIZE\n' +
        '0123456789ab   busybox   "sh -c \\"sleep 600; e…"   5 minutes ago   Up 5 minutes             web       12B (virtual 4.21MB)\n',
    );
    assert.equal(
      formatRows(containerListing(false), [row], { format: '{{.Label "b"}} {{.Labels}}', quiet: false }),
      '2 a=1,b=2\n',
    );
  });

  it('prints images, one row a tag', () => {
    const rows = imageRows(
      {
        Id: `sha256:${id}`,
        RepoTags: ['busybox:latest', 'localhost:5000/b:1'],
        RepoDigests: [],
        Created: now / 1000 - 86_400 * 3,
        Size: 4_212_978,
      } as never,
      { truncate: true, digests: false },
      now,
    );
    assert.equal(
      formatRows(imageListing(false), rows, { format: '', quiet: false }),
      'REPOSITORY         TAG       IMAGE ID       CREATED      SIZE\n' +
        'busybox            latest    0123456789ab   3 days ago   4.21MB\n' +
        'localhost:5000/b   1         0123456789ab   3 days ago   4.21MB\n',
    );
    const dangling = imageRows(
      { Id: `sha256:${id}`, RepoTags: [], RepoDigests: [], Created: 0, Size: 0 } as never,
      { truncate: true, digests: true },
      now,
    );
    assert.equal(dangling[0]!.Repository, '<none>');
    assert.equal(dangling[0]!.Tag, '<none>');
  });

  it('prints history', () => {
    const row = historyRow(
      { Id: '<missing>', Created: now / 1000 - 60, CreatedBy: `RUN ${'x'.repeat(60)}`, Size: 1500, Comment: 'c' },
      { truncate: true, human: true },
      now,
    );
    assert.equal(row.CreatedBy, `RUN ${'x'.repeat(40)}…`);
    assert.match(
      formatRows(historyListing(true), [row], { format: '', quiet: false }),
      /^IMAGE +CREATED +CREATED BY +SIZE +COMMENT\n<missing> +About a minute ago +RUN x+… +1.5kB +c\n$/,
    );
  });

  it('groups ports', () => {
    const tcp = (IP: string, PrivatePort: number, PublicPort?: number) => ({
      IP,
      PrivatePort,
      ...(PublicPort === undefined ? {} : { PublicPort }),
      Type: 'tcp' as const,
    });
    assert.equal(displayPorts([tcp('', 80), tcp('', 81), tcp('', 443)]), '80-81/tcp, 443/tcp');
    assert.equal(displayPorts([tcp('0.0.0.0', 80, 8080)]), '0.0.0.0:8080->80/tcp');
    assert.equal(displayPorts([tcp('::', 9000, 9000), tcp('::', 9001, 9001)]), '[::]:9000-9001->9000-9001/tcp');
  });

  it('computes stats', () => {
    const stats = {
      cpu_stats: { cpu_usage: { total_usage: 3_000 }, system_cpu_usage: 20_000, online_cpus: 2 },
      precpu_stats: { cpu_usage: { total_usage: 1_000 }, system_cpu_usage: 10_000 },
      memory_stats: { usage: 3 << 20, limit: 8 << 20, stats: { inactive_file: 1 << 20 } },
      pids_stats: { current: 4 },
      networks: { eth0: { rx_bytes: 1000, tx_bytes: 2_500_000 } },
      blkio_stats: { io_service_bytes_recursive: [{ major: 8, minor: 0, op: 'read', value: 4096 }] },
    } as never;
    assert.equal(cpuPercent(stats), 40);
    assert.equal(memoryUsed(stats), 2 << 20);
    const text = formatRows(STATS_LISTING, [statsRow({ asked: 'web', id, name: 'web' }, stats, true)], {
      format: '',
      quiet: false,
    });
    assert.match(
      text.split('\n')[1]!,
      /^0123456789ab +web +40\.00% +2MiB \/ 8MiB +25\.00% +1kB \/ 2\.5MB +4\.1kB \/ 0B +4$/,
    );
    assert.equal(statsRow({ asked: 'x', id, name: 'x' }, null, true).CPUPerc, '--');
  });
});
