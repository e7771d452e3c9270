from firn_server import main

main()
