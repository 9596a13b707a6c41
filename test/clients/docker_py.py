"""docker-py, the Python client of the Engine API, unchanged. Run by docker-py.test.ts with DOCKER_HOST set; busybox:latest is there."""

import io
import tarfile
import time
import unittest

import docker
from docker.types import LogConfig, Ulimit

BUSYBOX = "busybox:latest"
TICK = ["sh", "-c", "while true; do echo tick; sleep 0.1; done"]


def archive(name, content):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return data.getvalue()


class Test(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.client = docker.from_env()

    @classmethod
    def tearDownClass(cls):
        cls.client.close()

    def start(self, *command, **options):
        container = self.client.containers.run(BUSYBOX, list(command) or TICK, detach=True, **options)
        self.addCleanup(lambda: container.remove(force=True, v=True))
        return container

    def test_system(self):
        self.assertTrue(self.client.ping())
        self.assertEqual(self.client.info()["OSType"], "linux")
        self.assertEqual(self.client.version()["Os"], "linux")
        self.assertIn("LayersSize", self.client.df())
        self.assertEqual([n.name for n in self.client.networks.list()], ["bridge", "host", "none"])

    def test_run_and_errors(self):
        self.assertEqual(self.client.containers.run(BUSYBOX, "echo hi", remove=True), b"hi\n")
        with self.assertRaises(docker.errors.ContainerError) as caught:
            self.client.containers.run(BUSYBOX, ["sh", "-c", "echo bad >&2; exit 3"], remove=True)
        self.assertEqual((caught.exception.exit_status, caught.exception.stderr), (3, b"bad\n"))
        with self.assertRaises(docker.errors.APIError) as caught:
            self.client.containers.run(BUSYBOX, "nosuch", remove=True)
        self.assertEqual(caught.exception.status_code, 400)
        self.assertRaises(docker.errors.NotFound, self.client.containers.get, "nosuch")
        self.assertRaises(docker.errors.ImageNotFound, self.client.images.get, "nosuch")

    def test_options(self):
        container = self.start(
            name="py", hostname="pyhost", user="0", working_dir="/tmp", labels={"a": "b"}, environment={"X": "y"},
            mem_limit="64m", nano_cpus=500_000_000, pids_limit=50, cap_add=["NET_ADMIN"], init=True, shm_size="32m",
            tmpfs={"/t": "size=1m"}, ulimits=[Ulimit(name="nofile", soft=100, hard=200)], stop_signal="KILL",
            sysctls={"net.ipv4.ip_unprivileged_port_start": "100"}, extra_hosts={"foo": "1.2.3.4"},
            volumes={"pyvolume": {"bind": "/v", "mode": "rw"}}, restart_policy={"Name": "on-failure", "MaximumRetryCount": 2},
            log_config=LogConfig(type="json-file", config={"max-size": "1m"}),
            healthcheck={"test": ["CMD", "true"], "interval": 10**9},
        )
        self.addCleanup(lambda: self.client.volumes.prune(filters={"all": True}))
        script = "echo $X; pwd; hostname; ulimit -n; df -k /t | tail -1 | awk '{print $2}'; grep foo /etc/hosts"
        code, output = container.exec_run(["sh", "-c", script])
        self.assertEqual((code, output.split()), (0, b"y /tmp pyhost 100 1024 1.2.3.4 foo".split()))
        container.update(mem_limit="128m", mem_reservation="32m", memswap_limit="256m")
        container.rename("py2")
        container.reload()
        self.assertEqual((container.name, container.attrs["HostConfig"]["Memory"]), ("py2", 128 << 20))
        self.assertEqual([c.name for c in self.client.containers.list(filters={"label": "a=b"})], ["py2"])

    def test_life(self):
        container = self.start()
        container.pause()
        container.reload()
        self.assertEqual(container.status, "paused")
        container.unpause()
        container.stop(timeout=0)
        self.assertEqual(container.wait()["StatusCode"], 137)
        container.start()
        container.restart(timeout=0)
        container.kill()
        container.reload()
        self.assertEqual(container.status, "exited")

    def test_output(self):
        container = self.start()
        lines = container.logs(stream=True, follow=True)
        self.assertEqual([next(lines) for _ in range(3)], [b"tick\n"] * 3)
        lines.close()
        self.assertRegex(container.logs(timestamps=True, tail=1), rb"^[0-9-]+T[0-9:.]+Z tick\n$")
        self.assertEqual(next(container.attach(stream=True, logs=True))[:5], b"tick\n")
        stats = container.stats(stream=False)
        self.assertGreater(stats["cpu_stats"]["cpu_usage"]["total_usage"], 0)
        self.assertIn("eth0", stats["networks"])
        self.assertIn("read", next(container.stats(stream=True, decode=True)))
        self.assertIn("PID", container.top()["Titles"])

    def test_sockets(self):
        container = self.start("cat", stdin_open=True)
        socket = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
        socket._sock.sendall(b"ping\n")
        self.assertEqual(socket._sock.recv(100), b"\1\0\0\0\0\0\0\5ping\n")
        socket.close()
        result = container.exec_run("cat", socket=True, stdin=True, tty=True)
        result.output._sock.sendall(b"x\n")
        self.assertIn(b"x", result.output._sock.recv(100))
        result.output.close()
        self.assertEqual(list(container.exec_run("echo one", stream=True).output), [b"one\n"])
        self.assertEqual(container.exec_run(["sh", "-c", "echo o; echo e >&2"], demux=True).output, (b"o\n", b"e\n"))

    def test_files_and_images(self):
        container = self.start()
        self.assertTrue(container.put_archive("/tmp", archive("f", b"abc")))
        stream, stat = container.get_archive("/tmp/f")
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
            self.assertEqual((stat["size"], tar.extractfile("f").read()), (3, b"abc"))
        self.assertIn({"Path": "/tmp/f", "Kind": 1}, container.diff())
        image = container.commit("pyimage", "v1", message="why", author="me", changes='CMD ["cat", "/tmp/f"]')
        self.assertEqual(image.history()[0]["Comment"], "why")
        saved = b"".join(image.save(named=True))
        self.client.images.remove("pyimage:v1")
        (loaded,) = self.client.images.load(saved)
        self.assertEqual((loaded.tags, loaded.id), (["pyimage:v1"], image.id))
        self.assertEqual(self.client.containers.run("pyimage:v1", remove=True), b"abc")
        self.assertTrue(loaded.tag("pyimage", "v2"))
        self.client.images.remove("pyimage:v1")
        self.client.images.remove("pyimage:v2")
        with tarfile.open(fileobj=io.BytesIO(b"".join(container.export()))) as tar:
            self.assertIn("tmp/f", tar.getnames())

    def test_events_and_volumes(self):
        since = int(time.time())
        volume = self.client.volumes.create("pyvv", labels={"q": "r"})
        self.assertEqual(self.client.volumes.get("pyvv").attrs["Labels"], {"q": "r"})
        volume.remove()
        self.client.containers.run(BUSYBOX, "true", remove=True)
        past = self.client.events(decode=True, since=since, until=int(time.time()) + 1)
        actions = [(e["Type"], e["Action"]) for e in past]
        for wanted in [("volume", "create"), ("container", "start"), ("container", "die"), ("container", "destroy")]:
            self.assertIn(wanted, actions)


if __name__ == "__main__":
    unittest.main()
