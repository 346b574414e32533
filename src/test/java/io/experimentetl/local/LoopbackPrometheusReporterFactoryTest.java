package io.experimentetl.local;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import org.apache.flink.metrics.MetricConfig;
import org.apache.flink.metrics.prometheus.LoopbackPrometheusReporterFactory;
import org.apache.flink.metrics.reporter.MetricReporter;
import org.junit.jupiter.api.Test;

class LoopbackPrometheusReporterFactoryTest {
  @Test
  void metricsAreServedOnTheLoopbackAddressAlone() throws Exception {
    int port = FreePort.pick();
    MetricConfig config = new MetricConfig();
    config.setProperty("port", Integer.toString(port));
    MetricReporter reporter = new LoopbackPrometheusReporterFactory().createMetricReporter(config);
    InetAddress other = InetAddress.getByName("127.0.0.2");
    try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port);
        // A server on every address of the machine would have this one too.
        ServerSocket free = new ServerSocket(port, 1, other)) {
      assertThat(socket.isConnected()).isTrue();
      assertThat(free.isBound()).isTrue();
    } finally {
      reporter.close();
    }
  }
}
