package io.experimentetl.local;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;

/** Free TCP ports of 127.0.0.1. */
final class FreePort {
  private static final Set<Integer> HANDED_OUT = new HashSet<>();

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

  /** A port that was free a moment ago and that this JVM has not handed out before. */
  static synchronized int pick() {
    while (true) {
      try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
        if (HANDED_OUT.add(socket.getLocalPort())) {
          return socket.getLocalPort();
        }
      } catch (IOException e) {
        throw new UncheckedIOException("no free TCP port on 127.0.0.1", e);
      }
    }
  }
}
