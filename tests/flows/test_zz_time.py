import time
from flow_process import *
def test_time(world):
    ds=[world.deal() for _ in range(3)]
    t=time.time()
    with flow_process(world.integration(), page_size=2) as p:
        print("started", time.time()-t)
        print(p.outcomes(), time.time()-t)
    t=time.time()
    with flow_process(world.integration(), page_size=2) as p:
        print("started", time.time()-t)
        print(p.outcomes(), time.time()-t)
