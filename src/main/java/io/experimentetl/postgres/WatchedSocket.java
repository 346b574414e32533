package io.experimentetl.postgres;

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Properties;
import javax.net.SocketFactory;

/**
 * A connection's socket, which knows when the server last sent a byte. A network that has gone
 * silent closes nothing, and a time-out of the socket would lose the bytes that were read before it
 * in the middle of a message.
 */
public final class WatchedSocket extends Socket {
  private static final String SOCKET_FACTORY = "socketFactory";

  /** The driver creates the sockets of a connection on the thread that opens it. */
  private static final ThreadLocal<WatchedSocket> LAST = new ThreadLocal<>();

  private volatile long receivedNanos = System.nanoTime();

  private WatchedSocket() {}

  /** A connection and its socket. */
  public record Watched(Connection connection, WatchedSocket socket) {}

  /** Opens a connection. */
  @FunctionalInterface
  interface Opening {
    Connection open(Properties properties) throws SQLException;
  }

  /**
   * Opens a connection with a watched socket.
   *
   * @param properties of the driver, which are completed
   */
  static Watched open(Properties properties, Opening opening) throws SQLException {
    properties.setProperty(SOCKET_FACTORY, Factory.class.getName());
    try {
      Connection connection = opening.open(properties);
      return new Watched(connection, LAST.get());
    } finally {
      LAST.remove();
    }
  }

  /** Nanoseconds since the last byte was read. What waits in the socket is not read yet. */
  public long silentNanos() {
    return System.nanoTime() - receivedNanos;
  }

  @Override
  public InputStream getInputStream() throws IOException {
    return new FilterInputStream(super.getInputStream()) {
      @Override
      public int read() throws IOException {
        int read = super.read();
        receivedNanos = System.nanoTime();
        return read;
      }

      @Override
      public int read(byte[] bytes, int offset, int length) throws IOException {
        int read = super.read(bytes, offset, length);
        receivedNanos = System.nanoTime();
        return read;
      }
    };
  }

  /** Creates the sockets. The driver calls it by its name. */
  public static final class Factory extends SocketFactory {

    @Override
    public Socket createSocket() {
      WatchedSocket socket = new WatchedSocket();
      LAST.set(socket);
      return socket;
    }

    @Override
    public Socket createSocket(String host, int port) throws IOException {
      return connected(new InetSocketAddress(host, port), null);
    }

    @Override
    public Socket createSocket(String host, int port, InetAddress localHost, int localPort)
        throws IOException {
      return connected(
          new InetSocketAddress(host, port), new InetSocketAddress(localHost, localPort));
    }

    @Override
    public Socket createSocket(InetAddress host, int port) throws IOException {
      return connected(new InetSocketAddress(host, port), null);
    }

    @Override
    public Socket createSocket(InetAddress host, int port, InetAddress localHost, int localPort)
        throws IOException {
      return connected(
          new InetSocketAddress(host, port), new InetSocketAddress(localHost, localPort));
    }

    private Socket connected(InetSocketAddress server, InetSocketAddress local) throws IOException {
      Socket socket = createSocket();
      try {
        if (local != null) {
          socket.bind(local);
        }
        socket.connect(server);
        return socket;
      } catch (IOException e) {
        socket.close();
        throw e;
      }
    }
  }
}
