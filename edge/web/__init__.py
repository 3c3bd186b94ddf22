"""The operator pages and the local API of the collect process.

Nothing here decides or records: pages and API hand scans to the collector and show what it answers after its
commit. Everything a page needs comes from this folder, for line PCs have no internet.
"""
