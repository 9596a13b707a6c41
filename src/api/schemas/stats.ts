// Shapes of the Engine API 1.50, stats objects (field names, types and nullability as the API documents them).

import { type Static, Type } from 'typebox';
import { Nullable } from './nullable.ts';

export const ContainerPidsStats = Type.Object({
  current: Type.Optional(Nullable(Type.Integer())),
  limit: Type.Optional(Nullable(Type.Integer())),
});
export type ContainerPidsStats = Static<typeof ContainerPidsStats>;

export const ContainerBlkioStatEntry = Type.Object({
  major: Type.Optional(Type.Integer()),
  minor: Type.Optional(Type.Integer()),
  op: Type.Optional(Type.String()),
  value: Type.Optional(Type.Integer()),
});
export type ContainerBlkioStatEntry = Static<typeof ContainerBlkioStatEntry>;

export const ContainerBlkioStats = Type.Object({
  io_service_bytes_recursive: Type.Optional(Type.Array(ContainerBlkioStatEntry)),
  io_serviced_recursive: Type.Optional(Nullable(Type.Array(ContainerBlkioStatEntry))),
  io_queue_recursive: Type.Optional(Nullable(Type.Array(ContainerBlkioStatEntry))),
  io_service_time_recursive: Type.Optional(Nullable(Type.Array(ContainerBlkioStatEntry))),
  io_wait_time_recursive: Type.Optional(Nullable(Type.Array(ContainerBlkioStatEntry))),
  io_merged_recursive: Type.Optional(Nullable(Type.Array(ContainerBlkioStatEntry))),
  io_time_recursive: Type.Optional(Nullable(Type.Array(ContainerBlkioStatEntry))),
  sectors_recursive: Type.Optional(Nullable(Type.Array(ContainerBlkioStatEntry))),
});
export type ContainerBlkioStats = Static<typeof ContainerBlkioStats>;

export const ContainerStorageStats = Type.Object({
  read_count_normalized: Type.Optional(Nullable(Type.Integer())),
  read_size_bytes: Type.Optional(Nullable(Type.Integer())),
  write_count_normalized: Type.Optional(Nullable(Type.Integer())),
  write_size_bytes: Type.Optional(Nullable(Type.Integer())),
});
export type ContainerStorageStats = Static<typeof ContainerStorageStats>;

export const ContainerCPUUsage = Type.Object({
  total_usage: Type.Optional(Type.Integer()),
  percpu_usage: Type.Optional(Nullable(Type.Array(Type.Integer()))),
  usage_in_kernelmode: Type.Optional(Type.Integer()),
  usage_in_usermode: Type.Optional(Type.Integer()),
});
export type ContainerCPUUsage = Static<typeof ContainerCPUUsage>;

export const ContainerThrottlingData = Type.Object({
  periods: Type.Optional(Type.Integer()),
  throttled_periods: Type.Optional(Type.Integer()),
  throttled_time: Type.Optional(Type.Integer()),
});
export type ContainerThrottlingData = Static<typeof ContainerThrottlingData>;

export const ContainerCPUStats = Type.Object({
  cpu_usage: Type.Optional(ContainerCPUUsage),
  system_cpu_usage: Type.Optional(Nullable(Type.Integer())),
  online_cpus: Type.Optional(Nullable(Type.Integer())),
  throttling_data: Type.Optional(ContainerThrottlingData),
});
export type ContainerCPUStats = Static<typeof ContainerCPUStats>;

export const ContainerMemoryStats = Type.Object({
  usage: Type.Optional(Nullable(Type.Integer())),
  max_usage: Type.Optional(Nullable(Type.Integer())),
  stats: Type.Optional(Type.Record(Type.String(), Nullable(Type.Integer()))),
  failcnt: Type.Optional(Nullable(Type.Integer())),
  limit: Type.Optional(Nullable(Type.Integer())),
  commitbytes: Type.Optional(Nullable(Type.Integer())),
  commitpeakbytes: Type.Optional(Nullable(Type.Integer())),
  privateworkingset: Type.Optional(Nullable(Type.Integer())),
});
export type ContainerMemoryStats = Static<typeof ContainerMemoryStats>;

export const ContainerNetworkStats = Type.Object({
  rx_bytes: Type.Optional(Type.Integer()),
  rx_packets: Type.Optional(Type.Integer()),
  rx_errors: Type.Optional(Type.Integer()),
  rx_dropped: Type.Optional(Type.Integer()),
  tx_bytes: Type.Optional(Type.Integer()),
  tx_packets: Type.Optional(Type.Integer()),
  tx_errors: Type.Optional(Type.Integer()),
  tx_dropped: Type.Optional(Type.Integer()),
  endpoint_id: Type.Optional(Nullable(Type.String())),
  instance_id: Type.Optional(Nullable(Type.String())),
});
export type ContainerNetworkStats = Static<typeof ContainerNetworkStats>;

export const ContainerStatsResponse = Type.Object({
  name: Type.Optional(Nullable(Type.String())),
  id: Type.Optional(Nullable(Type.String())),
  read: Type.Optional(Type.String()),
  preread: Type.Optional(Type.String()),
  pids_stats: Type.Optional(ContainerPidsStats),
  blkio_stats: Type.Optional(ContainerBlkioStats),
  num_procs: Type.Optional(Type.Integer()),
  storage_stats: Type.Optional(ContainerStorageStats),
  cpu_stats: Type.Optional(ContainerCPUStats),
  precpu_stats: Type.Optional(ContainerCPUStats),
  memory_stats: Type.Optional(ContainerMemoryStats),
  networks: Type.Optional(Nullable(Type.Record(Type.String(), ContainerNetworkStats))),
});
export type ContainerStatsResponse = Static<typeof ContainerStatsResponse>;
