package io.experimentetl.local;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Free TCP ports of 127.0.0.1. */
final class FreePort {
  private static final Logger LOG = LoggerFactory.getLogger(FreePort.class);

  private static final int FIRST = 15_000;
  private static final int BEHIND_LAST = 32_000;

  /**
   * Two processes may choose one port before either has bound it. Those that run side by side have
   * PIDs near each other, and begin this many ports per PID apart.
   */
  private static final int PORTS_PER_PROCESS = 61;

  private static int picked;

  private FreePort() {}

  /**
   * Checks a server's ports before it starts: a server that finds its port taken may end late, or
   * another program may answer in its place.
   *
   * @param directory of the server, which keeps its ports
   * @throws PlatformException with the port that another process has
   */
  static void requireFree(String server, Path directory, int... ports) {
    for (int port : ports) {
      try (ServerSocket socket = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
        socket.getLocalPort();
      } catch (IOException e) {
        throw new PlatformException(
            "%s cannot start: another process has its port %d (`ss -ltnp` shows which). End it, or let the server take other ports: remove %s"
                .formatted(server, port, directory.resolve(ServerIdentity.FILE)),
            e);
      }
    }
  }

  /**
   * A port that was free a moment ago and that this JVM has not handed out before. It is below
   * those that systems give to outgoing connections (from 32768 in Linux, from 49152 elsewhere),
   * since one of these could take it before its server does.
   */
  static synchronized int pick() {
    while (picked < BEHIND_LAST - FIRST) {
      int port = port(ProcessHandle.current().pid(), picked++);
      try (ServerSocket socket = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
        return socket.getLocalPort();
      } catch (BindException e) {
        LOG.debug("The port {} is taken.", port, e);
      } catch (IOException e) {
        throw new UncheckedIOException("no free TCP port on 127.0.0.1", e);
      }
    }
    throw new PlatformException(
        "No TCP port between %d and %d is free on 127.0.0.1 (`ss -ltnp` shows which processes have them)."
            .formatted(FIRST, BEHIND_LAST - 1));
  }

  /** The port that a process tries as its nth, from 0. Each is tried once. */
  static int port(long pid, int nth) {
    return FIRST + Math.toIntExact((pid * PORTS_PER_PROCESS + nth) % (BEHIND_LAST - FIRST));
  }
}
