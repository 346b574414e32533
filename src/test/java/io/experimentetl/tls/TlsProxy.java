package io.experimentetl.tls;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;

/**
 * A server with TLS on a free port of 127.0.0.1, in front of one without: the embedded ClickHouse
 * speaks no TLS. It demands a client certificate.
 */
public final class TlsProxy implements AutoCloseable {
  private final SSLServerSocket server;
  private final int target;
  private final Set<Socket> open = ConcurrentHashMap.newKeySet();

  private TlsProxy(SSLServerSocket server, int target) {
    this.server = server;
    this.target = target;
  }

  /**
   * Starts the proxy.
   *
   * @param context its own certificate, and the CA that must have signed a client's
   * @param target a port of 127.0.0.1 that answers without TLS
   */
  public static TlsProxy start(SSLContext context, int target) throws IOException {
    SSLServerSocket server =
        (SSLServerSocket)
            context
                .getServerSocketFactory()
                .createServerSocket(0, 50, InetAddress.getLoopbackAddress());
    server.setNeedClientAuth(true);
    TlsProxy proxy = new TlsProxy(server, target);
    run(proxy::accept);
    return proxy;
  }

  public int port() {
    return server.getLocalPort();
  }

  private interface Work {
    void run() throws IOException;
  }

  /** A broken connection ends its thread: its client sees it closed. */
  private static void run(Work work) {
    Thread thread =
        new Thread(
            () -> {
              try {
                work.run();
              } catch (IOException e) {
                thread().setName("ended: " + e.getMessage());
              }
            },
            "tls-proxy");
    thread.setDaemon(true);
    thread.start();
  }

  private static Thread thread() {
    return Thread.currentThread();
  }

  private void accept() throws IOException {
    while (true) {
      SSLSocket client = (SSLSocket) server.accept();
      open.add(client);
      run(() -> serve(client));
    }
  }

  private void serve(SSLSocket client) throws IOException {
    try (client) {
      client.startHandshake();
      Socket behind = new Socket(InetAddress.getLoopbackAddress(), target);
      open.add(behind);
      run(() -> copy(behind, client));
      copy(client, behind);
    }
  }

  private static void copy(Socket from, Socket to) throws IOException {
    try (from;
        to) {
      InputStream in = from.getInputStream();
      OutputStream out = to.getOutputStream();
      in.transferTo(out);
    }
  }

  @Override
  public void close() throws IOException {
    server.close();
    for (Socket socket : open) {
      socket.close();
    }
  }
}
